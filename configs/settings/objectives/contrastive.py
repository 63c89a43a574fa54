"""Image rows against text columns, read in both directions: CLIP, ALIGN, SigLIP, UniCL, ConVIRT."""

from __future__ import annotations

from typing import Any

from configs.settings.setting import Setting, natural, share, share_below_one

CLASS = "vlp.objectives.contrastive:Contrastive"
TARGETS = ("pair", "text", "label", "group")

SETTINGS = {
    "kernel": Setting("softmax", "what turns scores into a loss", choices=("softmax", "sigmoid")),
    "targets": Setting(
        "pair", "what makes an image and a text match: equal ids of this kind", choices=TARGETS
    ),
    "direction": share(0.5, "share of image-to-text; the rest is text-to-image"),
    "label_smoothing": share_below_one(0.0, "share of a row's target that is spread over the batch"),
    "image_view": Setting("image", "batch field of images: `image`, or a name of data.image_views"),
    "text_view": Setting("text", "batch field of texts: `text`, or a name of data.text_views"),
    "chunk": natural(0, "rows of the score matrix that exist at a time on each device; 0 = all"),
}


def check(entry: Any, config: Any, where: str) -> None:
    """Label smoothing spreads over the columns of a softmax."""
    if entry.kernel == "sigmoid" and entry.label_smoothing:
        raise ValueError(
            f"{where}.label_smoothing={entry.label_smoothing} is for kernel='softmax': every cell of a sigmoid is a "
            "question of its own, with no other columns to spread over; set it to 0"
        )
