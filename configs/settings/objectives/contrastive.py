"""Image rows against text columns, read in both directions: CLIP, ALIGN, SigLIP, UniCL, ConVIRT."""

from __future__ import annotations

from typing import Any

from configs.settings.kernels import ASYMMETRIC, KERNELS, check_smoothing
from configs.settings.setting import Setting, natural, not_negative, share, share_below_one

CLASS = "vlp.objectives.contrastive:Contrastive"
REGRESSIONS = ("cosine_distance", "squared_error", "absolute_error")  # an image and its own text alone
CHUNKED = ("softmax", "sigmoid")  # kernels that exist tile by tile
TARGETS = ("pair", "text", "label", "group")

SETTINGS = {
    "kernel": Setting(
        "softmax", "what turns scores, or pairs of vectors, into a loss", choices=(*KERNELS, *REGRESSIONS)
    ),
    "targets": Setting(
        "pair", "what makes an image and a text match: equal ids of this kind", choices=TARGETS
    ),
    "direction": share(0.5, "share of image-to-text; the rest is text-to-image"),
    "label_smoothing": share_below_one(0.0, "share of a row's target that is spread over the batch"),
    "asymmetric": ASYMMETRIC,
    "image_view": Setting("image", "batch field of images: `image`, or a name of data.image_views"),
    "text_view": Setting("text", "batch field of texts: `text`, or a name of data.text_views"),
    "token": natural(
        0, "of class token and registers, which stands for the image; 0 = what the tower pools (TIPS: 1)"
    ),
    "temperature": not_negative(
        0.0, "learned, that scaled cosines are divided by in training, at first; 0 = none (AdaptCLIPZS)"
    ),
    "chunk": natural(0, "rows of the score matrix that exist at a time on each device; 0 = all"),
}


def check(entry: Any, config: Any, where: str) -> None:
    """Checks that a kernel has the other settings that it is asked to have."""
    check_smoothing(entry, where)
    if entry.chunk and entry.kernel not in CHUNKED:
        raise ValueError(
            f"{where}.chunk={entry.chunk} is for kernels {', '.join(CHUNKED)}, not for '{entry.kernel}': set it to 0"
        )
    if entry.kernel in REGRESSIONS and entry.targets != "pair":
        raise ValueError(
            f"{where}.targets='{entry.targets}' asks who else matches, but kernel='{entry.kernel}' compares a pair "
            "alone: use targets='pair'"
        )
