"""Classes of cells by score maps, on sets whose regions are known: mean IoU, pointing, and a gate before it."""

from __future__ import annotations

from configs.settings.evaluators import LABELS, PREFIX_TOKEN, templates
from configs.settings.setting import Setting, positive_share

CLASS = "vlp.evaluation.dense.box_maps:BoxMaps"

SETTINGS = {
    "scorer": Setting("", "part of the model whose score maps count; '' = cosines of patches"),
    "gate": Setting(
        "", "part that first says what a picture shows at all; cosines = the embeddings', '' = none"
    ),
    "recall": positive_share(0.95, "of what pictures show that the gate lets through"),
    "background": Setting(
        0.0, "deviations above the mean score, below which the best score of a cell means background"
    ),
    "templates": templates("simple"),
    "labels": LABELS,
    "prefix_token": PREFIX_TOKEN,
}
