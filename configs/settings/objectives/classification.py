"""A linear classifier of images: SuperClass and CatLIP, JFT, Open Images, fractals."""

from __future__ import annotations

from typing import Any

from configs.settings.kernels import ASYMMETRIC, check_smoothing
from configs.settings.setting import Setting, count, share_below_one

CLASS = "vlp.objectives.classification:Classification"
MODEL_AXIS = ("classes",)

SETTINGS = {
    "labels": Setting(
        "label_ids",
        "batch field of class numbers or of states: NAME_ids or NAME of data.labels, a name of data.tables, or text",
    ),
    "classes": count(1000, "rows of the classifier"),
    "image_view": Setting("image", "batch field of images"),
    "kernel": Setting(
        "sigmoid",
        "what turns scores into a loss",
        choices=("softmax", "softmax_in", "sigmoid", "asymmetric_sigmoid", "separated"),
    ),
    "label_smoothing": share_below_one(0.0, "share of a row's target that is spread over the classes"),
    "asymmetric": ASYMMETRIC,
    "bias": Setting(0.0, "of every class, at first"),
    "rare": Setting(
        "",
        "frequency = targets weigh the logarithm of how rare they have been so far, by numbers",
        choices=("", "frequency"),
    ),
    "chunk": count(1024, "rows at a time on each device"),
}


def check(entry: Any, config: Any, where: str) -> None:
    """Checks that a kernel has the other settings that it is asked to have."""
    check_smoothing(entry, where)
    if entry.rare and entry.kernel != "softmax":
        raise ValueError(
            f"{where}.rare='{entry.rare}' weighs the targets of a softmax; with kernel='{entry.kernel}' set it to ''"
        )
