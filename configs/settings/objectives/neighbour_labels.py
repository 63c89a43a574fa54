"""The label of an image by a vote of its nearest neighbours in a bank of images seen before: LOOK."""

from __future__ import annotations

from typing import Any

from configs.settings.kernels import CHUNK
from configs.settings.queues import check_queue
from configs.settings.setting import Setting, count, natural, positive, share

CLASS = "vlp.objectives.neighbour_labels:NeighbourLabels"

SETTINGS = {
    "image_view": Setting("image", "batch field of images"),
    "labels": Setting("classes", "an entry of data.labels, of which the first counts"),
    "size": count(16_384, "images in the bank, a multiple of batch_size; not verified"),
    "neighbours": natural(256, "that vote; 0 = the whole bank; not verified"),
    "temperature": positive(0.1, "of cosines; not verified"),
    "kernel": Setting(
        "softmax_in",
        "the error of the vote, or (softmax) the mean over all of the label: SupCon's",
        choices=("softmax_in", "softmax"),
    ),
    "momentum": share(0.999, "of the running mean that fills the bank"),
    "hidden_width": count(2048, "of the head"),
    "width": count(128, "of what is compared"),
    "chunk": CHUNK,
}


def check(entry: Any, config: Any, where: str) -> None:
    """Checks that whole batches fill the bank, and that it has as many images as vote."""
    check_queue(entry, config, where)
    if entry.neighbours > entry.size:
        raise ValueError(
            f"{where}.neighbours={entry.neighbours} is more than size={entry.size}: lower it, or 0"
        )
