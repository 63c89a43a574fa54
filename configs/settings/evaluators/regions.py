"""Names and texts of regions whose boxes are given."""

from __future__ import annotations

from configs.settings.evaluators import LABELS, PREFIX_TOKEN, templates
from configs.settings.setting import Setting

CLASS = "vlp.evaluation.dense.region_search:RegionSearch"

SETTINGS = {
    "part": Setting("", "part of the model that scores boxes; '' = the image tower on their crops"),
    "templates": templates("simple"),
    "labels": LABELS,
    "prefix_token": PREFIX_TOKEN,
}
