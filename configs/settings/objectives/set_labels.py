"""The most frequent label of a set of images, from what they make together: FACILE."""

from __future__ import annotations

from typing import Any

from configs.settings.kernels import CHUNK
from configs.settings.setting import Setting, count, positive

CLASS = "vlp.objectives.set_labels:SetLabels"

SETTINGS = {
    "image_view": Setting("image", "batch field of images"),
    "labels": Setting("classes", "an entry of data.labels, of which an image's first counts"),
    "each": count(8, "images in a row that are a set"),
    "pool": Setting("attention", "how rows become one", choices=("attention", "mean")),
    "width": count(512, "of a set's row"),
    "loss": Setting(
        "classes",
        "softmax over the labels, or SupCon over the sets of a batch",
        choices=("classes", "contrast"),
    ),
    "temperature": positive(0.07, "of SupCon"),
    "chunk": CHUNK,
}


def check(entry: Any, config: Any, where: str) -> None:
    """Checks that a batch is whole sets."""
    if entry.weight and config.batch_size % entry.each:
        raise ValueError(
            f"{where}.each={entry.each} does not divide batch_size={config.batch_size}: a batch is sets of "
            "`each` images"
        )
    if entry.weight and config.data.sampler.kind == "bags":
        raise ValueError(
            f"{where} takes its sets of images in a row, and data.sampler.kind='bags' makes rows of "
            "several: use '' for mixed sets, or 'classes'"
        )
