"""FLOPs of the configured towers, for MFU."""

from __future__ import annotations

from typing import Any

from vlp.models.sizes import tower_size
from vlp.training.throughput import image_tower_flops, text_tower_flops


def forward_flops(config: Any) -> int:
    """Analytic forward FLOPs of one image-text pair: matrix products only, with the patches that training keeps.

    Args:
      config: the whole resolved config.
    """
    image, text = tower_size(config.model.image), tower_size(config.model.text)
    view, embed_dim = config.model.image, config.model.embed_dim
    patches = (view.resolution // view.patch_size) ** 2
    kept = round(patches * (1 - view.patch_dropout))
    return image_tower_flops(
        patches=kept,
        patch_dim=3 * view.patch_size**2,
        tokens=kept + view.registers + (view.pool == "class"),
        width=image.width,
        depth=image.depth,
        mlp_dim=image.mlp_dim,
        embed_dim=embed_dim,
        attention_pool=view.pool == "attention",
    ) + text_tower_flops(
        tokens=config.tokenizer.length,
        width=text.width,
        depth=text.depth,
        mlp_dim=text.mlp_dim,
        embed_dim=embed_dim,
        attention_pool=config.model.text.pool == "attention",
    )
