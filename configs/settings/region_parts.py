"""What several objectives on regions can be told, and what they all need."""

from __future__ import annotations

from typing import Any

from configs.settings.setting import Setting, count, natural

IMAGE_VIEW = Setting("image", "batch field of images; regions lie in that of data.image alone")
HEAD = {
    "samples": count(7, "of a box's side, on the grid of patches"),
    "hidden": count(1024, "width within the head of a box"),
}
CHUNK = natural(0, "texts, or rows, whose activations exist at a time; 0 = all")


def size(width: int, depth: int, heads: int) -> dict[str, Setting]:
    """Returns the settings of a decoder's size."""
    return {
        "size": Setting("", "of the decoder: Ti ... So400m; '' = by the four numbers below"),
        "width": natural(width, "of its tokens"),
        "depth": natural(depth, "its blocks"),
        "heads": natural(heads, "of its attentions"),
        "mlp_dim": natural(4 * width, "hidden units of a block"),
    }


def check(entry: Any, config: Any, where: str) -> None:
    """Checks that all patches are there."""
    if entry.weight and config.model.image.get("patch_dropout", 0.0):
        raise ValueError(
            f"{where} looks at all patches in their places: set model.image.patch_dropout to 0, not "
            f"{config.model.image.patch_dropout}"
        )
