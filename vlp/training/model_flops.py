"""FLOPs of the configured towers, for MFU."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from vlp.models.families import family


def forward_flops(config: Any, fields: Collection[str] = ("image", "text")) -> int:
    """Analytic forward FLOPs of one example in the towers: matrix products and convolutions only, with the patches
    that training keeps. Heads of objectives, their class tables and teachers are not counted.

    Args:
      config: the whole resolved config.
      fields: batch fields that are encoded, of `image`, `text` and the names of the config's views.
    """
    return sum(_field_flops(config, name) for name in fields)


def _field_flops(config: Any, name: str) -> int:
    """Counts one tower over all views of a field, which may leave out what input_pipeline/catalogue.py fills in."""
    if name == "image":
        return _tower_flops(config, "image", config.model.image.resolution)
    if name == "text":
        return _tower_flops(config, "text", config.tokenizer.length)
    if name in config.data.image_views:
        view = config.data.image_views[name]
        resolution = view.get("resolution", 0) or config.model.image.resolution
        return view.get("count", 1) * _tower_flops(config, "image", resolution)
    if name in config.data.text_views:
        return config.data.text_views[name].get("count", 1) * _field_flops(config, "text")
    return 0


def _tower_flops(config: Any, tower: str, inputs: int) -> int:
    settings = config.model[tower]
    return family(tower, settings).forward_flops(settings, inputs, config.model.embed_dim)
