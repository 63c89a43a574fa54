"""Probes of frozen features: linear, nearest neighbours, SVM, few shots, tags."""

from __future__ import annotations

from configs.settings.setting import Setting, count, positive

CLASS = "vlp.evaluation.probes.features:Features"

SETTINGS = {
    "sets": ("test",),
    "train_sets": Setting(("val",), "one for each of sets, or one for all"),
    "validation_sets": Setting((), "likewise, to choose penalties on; () = a fifth of the training set"),
    "parts": Setting(("linear_probe", "knn", "svm", "few_shot", "tags"), "what is measured"),
    "neighbours": count(20, "that vote"),
    "temperature": positive(0.07, "of the neighbours' votes"),
    "svm_penalty": positive(1.0, "1 / C"),
    "ridge_penalty": positive(1.0, "of the few-shot classifier"),
    "shots": Setting((1, 5, 10), "labelled images a class"),
}
