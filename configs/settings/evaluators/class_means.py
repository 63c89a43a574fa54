"""The nearest class mean, learned a few classes at a time."""

from __future__ import annotations

from configs.settings.setting import Setting, count, natural

CLASS = "vlp.evaluation.classification.class_means:ClassMeans"

SETTINGS = {
    "learned": Setting("train", "evaluation set that the means are made of"),
    "tasks": count(10, "parts that the classes come in"),
    "seed": natural(0, "of the order in which classes come"),
}
