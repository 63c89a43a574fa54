"""Regions and the words that speak of them: MDETR's alignment."""

from __future__ import annotations

from configs.settings import region_parts
from configs.settings.region_parts import HEAD, IMAGE_VIEW
from configs.settings.setting import positive

CLASS = "vlp.objectives.region_words:RegionWords"

SETTINGS = {
    "image_view": IMAGE_VIEW,
    "temperature": positive(0.07, "of cosines of regions and words"),
    **HEAD,
}

check = region_parts.check
