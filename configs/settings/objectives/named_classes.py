"""Images among all labels by the labels' own texts: CoOp, and any fine-tuning of a zero-shot classifier."""

from __future__ import annotations

from typing import Any

from configs.settings.kernels import check_smoothing
from configs.settings.setting import Setting, share_below_one

CLASS = "vlp.objectives.named_classes:NamedClasses"

SETTINGS = {
    "labels": Setting("classes", "an entry of data.labels: the numbers of an image's labels"),
    "texts": Setting("classes", "an entry of data.texts, of the same labels"),
    "image_view": Setting("image", "batch field of images"),
    "kernel": Setting(
        "softmax", "what turns scores into a loss", choices=("softmax", "softmax_in", "reverse_softmax")
    ),
    "label_smoothing": share_below_one(0.0, "share of a row's target that is spread over the labels"),
}


def check(entry: Any, config: Any, where: str) -> None:
    """Checks that only a softmax is smoothed."""
    del config
    check_smoothing(entry, where)
