"""Convolutional image towers: what their settings mean and cost."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, ClassVar

from input_pipeline.errors import UserError
from vlp.models.families.base import Family, Unseen
from vlp.models.flops import halved
from vlp.models.sizes import EFFICIENTNET_STAGES, convolution_size


class ConvolutionFamily(Family):
    """Holds what towers have in common whose last grid is a 32nd of the image."""

    def check(self, settings: Any, where: str) -> None:
        try:
            convolution_size(settings)
        except ValueError as error:
            raise UserError(f"{where}: {error}") from error
        if settings.resolution < 32:
            raise UserError(
                f"{where}.resolution={settings.resolution} is too small for kind '{settings.kind}', which makes a "
                "32nd of it: use 32 or more"
            )


class ResNetFamily(ConvolutionFamily):
    """Kind 'resnet': CLIP's modified ResNet."""

    tower = "vlp.models.convolution:ResNet"
    optional = ("pool", "heads", "norm")
    unseen: ClassVar[Unseen] = {"stages": ("heads",)}

    def meaningful(self, settings: Any) -> Collection[str]:
        return self.optional if settings.get("pool") == "attention" else ("norm",)

    def check(self, settings: Any, where: str) -> None:
        super().check(settings, where)
        width = convolution_size(settings).channels[-1]
        if settings.pool == "attention" and (not settings.heads or width % settings.heads):
            raise UserError(
                f"{where}.heads={settings.heads} must divide the {width} channels that pool='attention' reads: CLIP "
                f"has {max(1, width // 64)}"
            )

    def forward_flops(self, settings: Any, inputs: int, embed_dim: int) -> int:
        size = convolution_size(settings)
        grid, half, channels = halved(inputs), size.stem // 2, size.stem
        weights = 3**2 * (3 * half + half * half + half * channels)
        flops, grid = 2 * grid**2 * weights, grid // 2
        for stage, (outputs, count) in enumerate(zip(size.channels, size.blocks, strict=True)):
            for number in range(count):
                inner = outputs // 4
                flops += 2 * grid**2 * (channels * inner + 3**2 * inner * inner)
                if stage and not number:
                    grid //= 2  # means stand before what follows, in the branch and in the shortcut
                shortcut = 0 if number else channels * outputs
                flops += 2 * grid**2 * (inner * outputs + shortcut)
                channels = outputs
        return flops + 2 * channels * embed_dim


class EfficientNetFamily(ConvolutionFamily):
    """Kind 'efficientnet': EfficientNet without its classifier."""

    tower = "vlp.models.convolution:EfficientNet"
    optional = ("norm", "last_convolution")

    def forward_flops(self, settings: Any, inputs: int, embed_dim: int) -> int:
        size = convolution_size(settings)
        grid, channels = halved(inputs), size.stem
        flops = 2 * grid**2 * 3**2 * 3 * channels
        stages = zip(EFFICIENTNET_STAGES, size.channels, size.blocks, strict=True)
        for (expansion, side, stride), outputs, count in stages:
            for number in range(count):
                inner = expansion * channels
                flops += 2 * grid**2 * channels * inner * (expansion > 1)
                if stride > 1 and not number:
                    grid = halved(grid)
                flops += 2 * grid**2 * inner * (side**2 + outputs)
                flops += 2 * 2 * inner * max(1, channels // 4) * (not size.lite)  # squeeze and excite
                channels = outputs
        return flops + 2 * grid**2 * channels * size.head + 2 * (size.head or channels) * embed_dim


class ConvNeXtFamily(ConvolutionFamily):
    """Kind 'convnext': blocks of a depthwise convolution and an MLP."""

    tower = "vlp.models.convnext:ConvNeXt"
    optional = ("drop_path",)
    unseen: ClassVar[Unseen] = {"patches_in": ("norm_eps",)}

    def rows(self, settings: Any, inputs: int, path: str) -> int:
        parts = path.split("/")  # as stages/2/up and patches_in/2/projection, whose grid is that of stage 2
        stage = int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else 0
        return (inputs // 4 >> stage) ** 2

    def forward_flops(self, settings: Any, inputs: int, embed_dim: int) -> int:
        size = convolution_size(settings)
        grid, channels, patch = inputs // 4, 3, 4
        flops = 0
        for outputs, count in zip(size.channels, size.blocks, strict=True):
            flops += 2 * grid**2 * patch**2 * channels * outputs
            flops += count * 2 * grid**2 * (7**2 * outputs + 2 * 4 * outputs * outputs)
            grid, channels, patch = grid // 2, outputs, 2
        return flops + 2 * channels * embed_dim
