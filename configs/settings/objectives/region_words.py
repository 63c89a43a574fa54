"""Regions and the words that speak of them: MDETR's alignment."""

from __future__ import annotations

from typing import Any

from configs.settings import region_parts
from configs.settings.region_parts import HEAD, IMAGE_VIEW
from configs.settings.setting import positive

CLASS = "vlp.objectives.region_words:RegionWords"

SETTINGS = {
    "image_view": IMAGE_VIEW,
    "temperature": positive(0.07, "of cosines of regions and words"),
    **HEAD,
}


def check(entry: Any, config: Any, where: str) -> None:
    """Checks the regions, and that phrases begin and end as texts do: what they say stands between."""
    region_parts.check(entry, config, where)
    if entry.weight and config.tokenizer.kind == "siglip":
        raise ValueError(
            f"{where}: texts of tokenizer.kind='siglip' have no token that they begin with, and phrases are looked for "
            "behind one: take another tokenizer"
        )
