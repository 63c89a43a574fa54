"""Multi-label classification by tags."""

from __future__ import annotations

from configs.settings.evaluators import PREFIX_TOKEN, SCORER, templates
from configs.settings.setting import Setting, count

CLASS = "vlp.evaluation.tagging.multi_label:MultiLabel"

SETTINGS = {
    "templates": templates("plain"),
    "prefix_token": PREFIX_TOKEN,
    "scorer": SCORER,
    "min_images": count(5, "tags of fewer images are left out"),
    "verified": Setting("", "table of id, label, confidence; '' = what is no tag of an image is not there"),
    "hierarchy": Setting("", "JSON tree of LabelName and Subcategory; '' = none"),
    "seen": Setting("", "file of the labels of the training: figures of these, and of all others; '' = none"),
    "names": Setting("", "csv of label and name; '' = labels are names"),
}
