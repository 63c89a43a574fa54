"""How well k-means finds the classes."""

from __future__ import annotations

from configs.settings.setting import Setting, count

CLASS = "vlp.evaluation.structure.clusters:Clusters"

SETTINGS = {
    "sets": ("test",),
    "iterations": count(100, "of k-means, at most"),
    "old": Setting((), "labels, or patterns, of classes that the model was told; the others are new to it"),
}
