"""Images by a detector's head over random boxes: DITO."""

from __future__ import annotations

from typing import Any

from configs.settings import region_parts
from configs.settings.region_parts import CHUNK, HEAD, IMAGE_VIEW
from configs.settings.setting import count, natural, positive_share

CLASS = "vlp.objectives.region_contrast:RegionContrast"

SETTINGS = {
    "image_view": IMAGE_VIEW,
    "boxes": count(16, "random ones of an image"),
    "smallest": positive_share(0.05, "share of the image of a box"),
    "windows": natural(
        0, "of a side that see themselves alone, also shifted by half of one; 0 = the whole image"
    ),
    "chunk": CHUNK,
    **HEAD,
}


def check(entry: Any, config: Any, where: str) -> None:
    """Checks that windows, and half of one, are whole patches."""
    region_parts.check(entry, config, where)
    side = config.model.image.resolution
    patch = config.model.image.get("patch_size", 1)
    if entry.weight and entry.windows and side % (2 * patch * entry.windows):
        raise ValueError(
            f"{where}.windows={entry.windows} must cut model.image.resolution={side} into parts of an even number of "
            f"patches of {patch} pixels, for they are shifted by half of one; 0 = no windows"
        )
