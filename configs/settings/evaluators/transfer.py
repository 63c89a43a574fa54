"""Probes trained on one domain and measured on others: the drop from A to B."""

from __future__ import annotations

from configs.settings.evaluators import features
from configs.settings.setting import Setting

CLASS = "vlp.evaluation.probes.transfer:Transfer"

SETTINGS = {
    **features.SETTINGS,
    "sets": Setting(("test", "val"), "the test set of domain A, then those of other domains"),
    "train_sets": Setting(("train",), "of domain A"),
    "parts": Setting(("linear_probe", "knn"), "of what is measured; without tags"),
}
