"""Boxes found and described: GRAIN."""

from __future__ import annotations

from typing import Any

from configs.settings import region_parts
from configs.settings.region_parts import CHUNK, IMAGE_VIEW, size
from configs.settings.setting import count, not_negative

CLASS = "vlp.objectives.grounded_regions:GroundedDescriptions"

SETTINGS = {
    "image_view": IMAGE_VIEW,
    "queries": count(10, "boxes that are found in an image"),
    "image_weight": not_negative(1.0, "of the contrast of images and captions"),
    "box_weight": not_negative(1.0, "of the boxes' L1 and GIoU"),
    "text_weight": not_negative(1.0, "of telling each region's description"),
    "chunk": CHUNK,
    **size(256, 6, 8),
}


def check(entry: Any, config: Any, where: str) -> None:
    """Checks that each region of an image can have a query."""
    region_parts.check(entry, config, where)
    if entry.weight and entry.queries < config.data.regions.most:
        raise ValueError(
            f"{where}.queries={entry.queries} must be at least data.regions.most={config.data.regions.most}: each "
            "region of an image takes one"
        )
