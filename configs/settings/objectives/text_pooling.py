"""Images pooled by each text: FLAIR."""

from __future__ import annotations

from typing import Any

from configs.settings import region_parts
from configs.settings.region_parts import CHUNK, IMAGE_VIEW
from configs.settings.setting import Setting, count, not_negative, positive

CLASS = "vlp.objectives.text_pooling:TextPooling"

SETTINGS = {
    "image_view": IMAGE_VIEW,
    "text_view": Setting("captions", "a name of data.text_views"),
    "heads": count(8, "of the attention, which divide model.embed_dim"),
    "scale": positive(10.0, "of cosines, at first"),
    "bias": Setting(-10.0, "added to them, at first"),
    "global_weight": not_negative(1.0, "of the contrast of whole images beside"),
    "chunk": CHUNK,
}


def check(entry: Any, config: Any, where: str) -> None:
    """Checks that heads divide the joint space."""
    region_parts.check(entry, config, where)
    if entry.weight and config.model.embed_dim % entry.heads:
        raise ValueError(f"{where}.heads={entry.heads} must divide model.embed_dim={config.model.embed_dim}")
