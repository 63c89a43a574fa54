"""Boxes that a part of the model finds: average precision at an overlap of one half."""

from __future__ import annotations

from configs.settings.evaluators import LABELS, PREFIX_TOKEN, templates
from configs.settings.setting import Setting

CLASS = "vlp.evaluation.dense.detection:Detection"

SETTINGS = {
    "part": Setting(
        "", "part of the model that finds boxes, as grounded_regions/regions; '' = crops by grids"
    ),
    "templates": templates("simple"),
    "labels": LABELS,
    "prefix_token": PREFIX_TOKEN,
}
