"""Classes of the parts of collages, from patch embeddings."""

from __future__ import annotations

from configs.settings.evaluators import LABELS, PREFIX_TOKEN, templates
from configs.settings.setting import Setting, count

CLASS = "vlp.evaluation.dense.segmentation:Dense"

SETTINGS = {
    "templates": templates("simple"),
    "labels": LABELS,
    "prefix_token": PREFIX_TOKEN,
    "collages": count(200, "2 x 2 labelled images each"),
    "enlarge": Setting(False, "collages of twice the model's resolution instead of images of half"),
}
