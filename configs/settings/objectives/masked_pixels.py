"""The pixels of hidden patches, from the image tower's outputs at their places: masked image modelling."""

from __future__ import annotations

from typing import Any

from configs.settings.objectives.masked_distillation import check_tower
from configs.settings.setting import Setting, share

CLASS = "vlp.objectives.masked_pixels:MaskedPixels"

SETTINGS = {
    "view": Setting("image", "batch field of images: `image`, or a name of data.image_views"),
    "share": share(0.6, "of an image's patches that are hidden"),
    "blocks": Setting(False, "rectangles are hidden, rather than single patches"),
    "normalise": Setting(True, "each patch's pixels to mean 0 and variance 1"),
    "error": Setting("squared", "of a value", choices=("squared", "absolute")),
}


def check(entry: Any, config: Any, where: str) -> None:
    """Checks that patches can be hidden."""
    if entry.weight:
        check_tower(config, where)
