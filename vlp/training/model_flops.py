"""FLOPs of the configured towers, for MFU."""

from __future__ import annotations

from typing import Any

from vlp.models.convolution import STAGES
from vlp.models.sizes import ConvolutionSize, convolution_size, tower_size
from vlp.training.throughput import image_tower_flops, text_tower_flops


def forward_flops(config: Any) -> int:
    """Analytic forward FLOPs of one image-text pair: matrix products and convolutions only, with the patches that
    training keeps.

    Args:
      config: the whole resolved config.
    """
    text, embed_dim = tower_size(config.model.text), config.model.embed_dim
    return IMAGE_FLOPS[config.model.image.kind](config.model.image, embed_dim) + text_tower_flops(
        tokens=config.tokenizer.length,
        width=text.width,
        depth=text.depth,
        mlp_dim=text.mlp_dim,
        embed_dim=embed_dim,
        attention_pool=config.model.text.pool == "attention",
    )


def _vit_flops(view: Any, embed_dim: int) -> int:
    size, patches = tower_size(view), (view.resolution // view.patch_size) ** 2
    kept = round(patches * (1 - view.patch_dropout))
    return image_tower_flops(
        patches=kept,
        patch_dim=3 * view.patch_size**2,
        tokens=kept + view.registers + (view.pool == "class"),
        width=size.width,
        depth=size.depth,
        mlp_dim=size.mlp_dim,
        embed_dim=embed_dim,
        attention_pool=view.pool == "attention",
    )


def _resnet_flops(view: Any, embed_dim: int) -> int:
    size: ConvolutionSize = convolution_size(view)
    grid, half, inputs = _halved(view.resolution), size.stem // 2, size.stem
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


def _efficientnet_flops(view: Any, embed_dim: int) -> int:
    size: ConvolutionSize = convolution_size(view)
    grid, inputs = _halved(view.resolution), size.stem
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
