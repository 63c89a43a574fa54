"""FLOPs of the configured towers, for MFU."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from vlp.models.convolution import STAGES
from vlp.models.sizes import ConvolutionSize, convolution_size, tower_size
from vlp.training.throughput import image_tower_flops, text_tower_flops


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
    image = config.model.image
    if name == "image":
        return IMAGE_FLOPS[image.kind](image, image.resolution, config.model.embed_dim)
    if name == "text":
        return _text_flops(config)
    if name in config.data.image_views:
        view = config.data.image_views[name]
        resolution = view.get("resolution", 0) or image.resolution
        return view.get("count", 1) * IMAGE_FLOPS[image.kind](image, resolution, config.model.embed_dim)
    if name in config.data.text_views:
        return config.data.text_views[name].get("count", 1) * _text_flops(config)
    return 0


def _text_flops(config: Any) -> int:
    size = tower_size(config.model.text)
    return text_tower_flops(
        tokens=config.tokenizer.length,
        width=size.width,
        depth=size.depth,
        mlp_dim=size.mlp_dim,
        embed_dim=config.model.embed_dim,
        attention_pool=config.model.text.pool == "attention",
    )


def _vit_flops(tower: Any, resolution: int, embed_dim: int) -> int:
    size, patches = tower_size(tower), (resolution // tower.patch_size) ** 2
    kept = round(patches * (1 - tower.patch_dropout))
    return image_tower_flops(
        patches=kept,
        patch_dim=3 * tower.patch_size**2,
        tokens=kept + tower.registers + (tower.pool == "class"),
        width=size.width,
        depth=size.depth,
        mlp_dim=size.mlp_dim,
        embed_dim=embed_dim,
        attention_pool=tower.pool == "attention",
    )


def _resnet_flops(tower: Any, resolution: int, embed_dim: int) -> int:
    size: ConvolutionSize = convolution_size(tower)
    grid, half, inputs = _halved(resolution), size.stem // 2, size.stem
    weights = 3**2 * (3 * half + half * half + half * inputs)
    flops, grid = 2 * grid**2 * weights, grid // 2
    for stage, (outputs, count) in enumerate(zip(size.channels, size.blocks, strict=True)):
        for number in range(count):
            inner = outputs // 4
            flops += 2 * grid**2 * (inputs * inner + 3**2 * inner * inner)
            if stage and not number:
                grid //= 2  # means stand before what follows, in the branch and in the shortcut
            shortcut = 0 if number else inputs * outputs
            flops += 2 * grid**2 * (inner * outputs + shortcut)
            inputs = outputs
    return flops + 2 * inputs * embed_dim


def _efficientnet_flops(tower: Any, resolution: int, embed_dim: int) -> int:
    size: ConvolutionSize = convolution_size(tower)
    grid, inputs = _halved(resolution), size.stem
    flops = 2 * grid**2 * 3**2 * 3 * inputs
    for (expansion, side, stride), outputs, count in zip(STAGES, size.channels, size.blocks, strict=True):
        for number in range(count):
            inner = expansion * inputs
            flops += 2 * grid**2 * inputs * inner * (expansion > 1)
            if stride > 1 and not number:
                grid = _halved(grid)
            flops += 2 * grid**2 * inner * (side**2 + outputs)
            flops += 2 * 2 * inner * max(1, inputs // 4)  # squeeze and excite
            inputs = outputs
    return flops + 2 * inputs * embed_dim


def _halved(side: int) -> int:
    """By a convolution of stride 2 whose input is padded by half its side."""
    return (side + 1) // 2


IMAGE_FLOPS = {"vit": _vit_flops, "resnet": _resnet_flops, "efficientnet": _efficientnet_flops}
