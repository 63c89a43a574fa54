"""Images among the centres of a large table of classes or clusters: MLCD, UNICOM, MOFI's entities."""

from __future__ import annotations

from typing import Any

from configs.settings.kernels import ASYMMETRIC, KERNELS, check_smoothing
from configs.settings.setting import (
    Setting,
    count,
    not_negative,
    positive,
    positive_share,
    share,
    share_below_one,
)

CLASS = "vlp.objectives.discrimination:Discrimination"
MODEL_AXIS = ("classes",)

MARGINS = ("cosine", "angle", "angle_straight_through", "circle")

SETTINGS = {
    "labels": Setting("cluster_ids", "batch field of class numbers, such as a name of data.tables"),
    "classes": count(1_000_000, "rows of the table"),
    "image_view": Setting("image", "batch field of images"),
    "kernel": Setting("separated", "what turns scores into a loss", choices=KERNELS),
    "label_smoothing": share_below_one(0.0, "share of a row's target that is spread over the classes"),
    "asymmetric": ASYMMETRIC,
    "scale": positive(64.0, "of cosines"),
    "margin_kind": Setting("angle", "what the margin is added to", choices=MARGINS),
    "margin": not_negative(0.3, "by which a positive has to be better"),
    "drop_above": share(0.0, "cosine from which on a negative counts as an unlabelled positive; 0 = off"),
    "rate": positive_share(
        0.1, "share of the classes that take part in a step; all that the batch has labels of always do"
    ),
    "feature_rate": positive_share(1.0, "share of the dimensions that do"),
    "chunk": count(1024, "rows scored at a time on each device"),
}


def check(entry: Any, config: Any, where: str) -> None:
    """Checks that a kernel has the other settings that it is asked to have."""
    check_smoothing(entry, where)
