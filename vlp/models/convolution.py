"""Convolutional image towers: CLIP's modified ResNet (arXiv 2103.00020) and EfficientNet (arXiv 1905.11946).

Both are published with batch norm. Here convolutions have standardised weights and are followed by group norm, as in
BiT (arXiv 1912.11370): an example's output then never depends on the others of its batch. So there are no running
statistics, training and evaluation compute the same, a running mean of the weights fits them, encoding by parts
(`model.micro_batch`) is exact, and nothing travels between devices. Stochastic depth (EfficientNet) is left out.
With `norm='batch'` a tower is as published, for weights of other projects; its statistics are constants.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from vlp.models import pooling
from vlp.models.compute import REMAT_POLICIES, Compute
from vlp.models.linear import linear
from vlp.models.micro_batch import micro_batched
from vlp.models.positions import LearnedPosition, resampled
from vlp.models.sharding import constrain_batch
from vlp.models.shared import for_all
from vlp.models.sizes import EFFICIENTNET_STAGES, ConvolutionSize, convolution_size
from vlp.models.vision import TowerOutput


def standardised(
    kernel: Float[Array, "height width inputs outputs"],
) -> Float[Array, "height width inputs outputs"]:
    """Returns weights of mean zero for each output, scaled to keep the size of what they are applied to
    (1903.10520)."""
    fan_in = math.prod(kernel.shape[:3])
    centred = kernel - kernel.mean(axis=(0, 1, 2))
    return centred * jax.lax.rsqrt(fan_in * jnp.square(centred).mean(axis=(0, 1, 2)) + 1e-8)


def average_pool(
    x: Float[Array, "batch height width channels"], side: int
) -> Float[Array, "batch rows columns outputs"]:
    """Means of squares of the given side; odd rows and columns at the far edges are left out."""
    return x if side == 1 else nnx.avg_pool(x, (side, side), strides=(side, side))


class Convolution(nnx.Module):
    """A convolution with standardised weights, group norm, and perhaps an activation; or one with batch norm."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        side: int,
        *,
        compute: Compute,
        rngs: nnx.Rngs,
        stride: int = 1,
        groups: int = 1,
        scale: float = 1.0,
        activation: Callable[[Array], Array] | None = None,
        norm: str = "group",
        epsilon: float = 1e-5,
        same: bool = False,
    ):
        """Builds the layer.

        Args:
          inputs: channels it takes.
          outputs: channels it gives, a multiple of 8.
          side: of the square kernel; the input is padded by half of it all around.
          compute: dtype of activations.
          rngs: where initial values come from.
          stride: between places of the kernel.
          groups: that channels are cut into; as many as channels make it depthwise.
          scale: of the norm at first; 0 silences a residual branch.
          activation: of what the norm gives.
          norm: 'group', or 'batch': the weights as they are, and a batch norm whose statistics are constants.
          epsilon: of the batch norm.
          same: whether a stride pads only what it needs, the odd one behind (TensorFlow), and not all around.
        """
        self.same = same
        self.compute, self.stride, self.groups, self.activation = compute, stride, groups, activation
        self.standardise = norm == "group"
        shape = (side, side, inputs // groups, outputs)
        self.kernel = nnx.Param(nnx.initializers.he_normal()(rngs.params(), shape))
        # 32 groups, or so few that each has 8 channels and more: a group of one would lose its mean to the norm.
        options: dict[str, Any] = {
            "scale_init": nnx.initializers.constant(scale),
            "dtype": compute.dtype,
            "rngs": rngs,
        }
        self.norm = (
            nnx.GroupNorm(outputs, num_groups=math.gcd(32, outputs // 8), **options)
            if self.standardise
            else nnx.BatchNorm(outputs, use_running_average=True, epsilon=epsilon, **options)
        )

    def __call__(
        self, x: Float[Array, "batch height width inputs"]
    ) -> Float[Array, "batch rows columns outputs"]:
        half = self.kernel.shape[0] // 2
        x = jax.lax.conv_general_dilated(
            x.astype(self.compute.dtype),
            (standardised(self.kernel[...]) if self.standardise else self.kernel[...]).astype(
                self.compute.dtype
            ),
            window_strides=(self.stride, self.stride),
            padding="SAME" if self.same else ((half, half), (half, half)),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=self.groups,
        )
        x = self.norm(x)
        return x if self.activation is None else self.activation(x)


class ResNetStem(nnx.Module):
    """Three convolutions and a mean over squares of two: a quarter of the side."""

    def __init__(self, width: int, **options: Any):
        half = width // 2
        self.first = Convolution(3, half, 3, stride=2, activation=nnx.relu, **options)
        self.second = Convolution(half, half, 3, activation=nnx.relu, **options)
        self.third = Convolution(half, width, 3, activation=nnx.relu, **options)

    def __call__(self, x: Float[Array, "batch height width 3"]) -> Float[Array, "batch rows columns outputs"]:
        return average_pool(self.third(self.second(self.first(x))), 2)


class Bottleneck(nnx.Module):
    """A residual block that never strides: it averages, in the branch and in the shortcut (ResNet-D, 1812.01187)."""

    def __init__(self, inputs: int, outputs: int, stride: int, **options: Any):
        inner, self.stride = outputs // 4, stride
        self.reduce = Convolution(inputs, inner, 1, activation=nnx.relu, **options)
        self.spatial = Convolution(inner, inner, 3, activation=nnx.relu, **options)
        self.expand = Convolution(inner, outputs, 1, scale=0.0, **options)
        changes = stride > 1 or inputs != outputs
        self.shortcut = Convolution(inputs, outputs, 1, **options) if changes else None

    def __call__(
        self, x: Float[Array, "batch height width inputs"]
    ) -> Float[Array, "batch rows columns outputs"]:
        branch = self.expand(average_pool(self.spatial(self.reduce(x)), self.stride))
        shortcut = x if self.shortcut is None else self.shortcut(average_pool(x, self.stride))
        return nnx.relu(shortcut + branch)


class MobileBlock(nnx.Module):
    """Expand, convolve channels one by one, weigh them (squeeze and excite, 1709.01507), project (1801.04381)."""

    squeeze: nnx.Module | None = None
    excite: nnx.Module | None = None

    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: int,
        *,
        expansion: int,
        side: int,
        lite: bool = False,
        norms: Mapping[str, Any] | None = None,
        **options: Any,
    ):
        norms = norms or {}
        inner, squeezed = inputs * expansion, max(1, inputs // 4)
        inside = {"activation": nnx.relu6 if lite else nnx.silu, **norms, **options}
        self.expand = Convolution(inputs, inner, 1, **inside) if expansion > 1 else None
        self.depthwise = Convolution(inner, inner, side, stride=stride, groups=inner, **inside)
        if not lite:
            self.squeeze = linear(inner, squeezed, std=inner**-0.5, **options)
            self.excite = linear(squeezed, inner, std=squeezed**-0.5, **options)
        self.project = Convolution(inner, outputs, 1, **norms, **options)
        self.residual = stride == 1 and inputs == outputs

    def __call__(
        self, x: Float[Array, "batch height width inputs"]
    ) -> Float[Array, "batch rows columns outputs"]:
        y = self.depthwise(x if self.expand is None else self.expand(x))
        if self.squeeze is not None and self.excite is not None:
            squeezed = nnx.silu(self.squeeze(y.mean(axis=(1, 2))))
            y = y * for_all(nnx.sigmoid(self.excite(squeezed))[:, None, None], y.shape, y.dtype)
        y = self.project(y)
        return x + y if self.residual else y


class Stage(nnx.Module):
    """A first block, which changes channels and side, and blocks after it that are alike and stacked, to be scanned."""

    def __init__(
        self,
        block: Callable[..., nnx.Module],
        inputs: int,
        outputs: int,
        *,
        stride: int,
        count: int,
        compute: Compute,
        rngs: nnx.Rngs,
    ):
        self.compute, self.count = compute, count
        self.first = block(inputs, outputs, stride, compute=compute, rngs=rngs)

        @nnx.split_rngs(splits=count - 1)
        @nnx.vmap
        def stack(rngs: nnx.Rngs) -> nnx.Module:
            return block(outputs, outputs, 1, compute=compute, rngs=rngs)

        self.others = stack(rngs) if count > 1 else None

    def __call__(
        self, x: Float[Array, "batch height width inputs"]
    ) -> Float[Array, "batch rows columns outputs"]:
        def run_block(x: Array, block: Callable[[Array], Array]) -> tuple[Array, None]:
            return constrain_batch(block(x)), None

        if self.compute.remat != "none":
            run_block = jax.checkpoint(run_block, policy=REMAT_POLICIES[self.compute.remat])
        x, _ = run_block(x, self.first)
        if self.others is not None:
            unroll = self.count - 1 if self.compute.unroll else 1
            x, _ = jax.lax.scan(run_block, x, self.others, unroll=unroll)
        return x


class GridAttentionPool(nnx.Module):
    """The mean of a grid attends to itself and the grid (CLIP, section 2.4); no residual, no MLP."""

    def __init__(self, width: int, heads: int, side: int, *, compute: Compute, rngs: nnx.Rngs):
        self.heads = heads
        self.position = LearnedPosition(side**2 + 1, width, width**-0.5, rngs=rngs)
        self.query, self.key, self.value = (
            linear(width, width, std=width**-0.5, compute=compute, rngs=rngs) for _ in range(3)
        )

    def __call__(self, x: Float[Array, "batch tokens width"]) -> Float[Array, "batch width"]:
        x = jnp.concatenate([x.mean(axis=1, keepdims=True), x], axis=1)
        position = self.position()
        side = math.isqrt(x.shape[1] - 1)
        position = jnp.concatenate([position[:1], resampled(position[1:], side)])
        x = x + for_all(position, x.shape, x.dtype)
        query, key, value = (
            layer(y).reshape(*y.shape[:2], self.heads, -1)
            for layer, y in ((self.query, x[:, :1]), (self.key, x), (self.value, x))
        )
        attended = jax.nn.dot_product_attention(query, key, value, implementation="xla")
        return attended.reshape(x.shape[0], -1)


def resnet(size: ConvolutionSize, *, norm: str = "group", **options: Any) -> list[nnx.Module]:
    """Returns CLIP's modified ResNet, up to its pooling."""
    stages: list[nnx.Module] = [ResNetStem(size.stem, norm=norm, **options)]
    block = functools.partial(Bottleneck, norm=norm)
    inputs = size.stem
    for outputs, count in zip(size.channels, size.blocks, strict=True):
        stride = 1 if len(stages) == 1 else 2
        stages.append(Stage(block, inputs, outputs, stride=stride, count=count, **options))
        inputs = outputs
    return stages


# What published EfficientNets have beside batch norm: TensorFlow's padding, and another epsilon than CLIP's ResNets.
PUBLISHED: dict[str, Any] = {"norm": "batch", "epsilon": 1e-3, "same": True}


def efficientnet(size: ConvolutionSize, *, norm: str = "group", **options: Any) -> list[nnx.Module]:
    """Returns EfficientNet, without the 1x1 convolution of its classifier where its size has no head (as in ALIGN)."""
    norms: dict[str, Any] = PUBLISHED if norm == "batch" else {"norm": norm}
    outside = {"activation": nnx.relu6 if size.lite else nnx.silu, **norms, **options}
    stages: list[nnx.Module] = [Convolution(3, size.stem, 3, stride=2, **outside)]
    inputs = size.stem
    for (expansion, side, stride), outputs, count in zip(
        EFFICIENTNET_STAGES, size.channels, size.blocks, strict=True
    ):
        block = functools.partial(MobileBlock, expansion=expansion, side=side, lite=size.lite, norms=norms)
        stages.append(Stage(block, inputs, outputs, stride=stride, count=count, **options))
        inputs = outputs
    if size.head:
        stages.append(Convolution(inputs, size.head, 1, **outside))
    return stages


class ConvolutionalTower(nnx.Module):
    """A stem and stages, and the mean over their last grid, or CLIP's attention."""

    attention_pool: GridAttentionPool | None = None

    def __init__(self, config: Any, *, compute: Compute, rngs: nnx.Rngs):
        """Builds the tower.

        Args:
          config: `model.image` of the config, of the tower's kind; see configs/base.py.
          compute: dtype, scan and remat.
          rngs: where initial values come from.
        """
        size = convolution_size(config)
        self.stages = nnx.List(self._stages(size, config, compute=compute, rngs=rngs))
        self.width, self.compute = size.head or size.channels[-1], compute
        if config.get("pool") == "attention":
            self.attention_pool = GridAttentionPool(
                self.width, config.heads, config.resolution // 32, compute=compute, rngs=rngs
            )

    def _stages(self, size: ConvolutionSize, config: Any, **options: Any) -> list[nnx.Module]:
        raise TypeError(f"{type(self).__name__} does not say what its stages are")

    def __call__(
        self, pixels: Float[Array, "batch height width 3"], key: PRNGKeyArray | None = None
    ) -> TowerOutput:
        """Encodes normalised pixels; the tokens are the last grid, row by row. Nothing is random, so no key is used."""
        return micro_batched(self._encode, self.compute.micro_batch, pixels)

    def patches(self, pixels: Float[Array, "batch height width 3"]) -> Float[Array, "batch patches width"]:
        """Returns the last grid, row by row, of which `pooled` is the mean; what attention reads of it, where that
        pools."""
        tokens = self(pixels).tokens
        return tokens if self.attention_pool is None else self.attention_pool.value(tokens)

    def _encode(self, pixels: Float[Array, "batch height width 3"]) -> TowerOutput:
        x = pixels
        for stage in self.stages:
            x = constrain_batch(stage(x))
        tokens = x.reshape(x.shape[0], -1, self.width)
        pool = self.attention_pool or pooling.mean
        return TowerOutput(pool(tokens), tokens)


class ResNet(ConvolutionalTower):
    """CLIP's modified ResNet."""

    def _stages(self, size: ConvolutionSize, config: Any, **options: Any) -> list[nnx.Module]:
        return resnet(size, norm=config.get("norm", "group"), **options)


class EfficientNet(ConvolutionalTower):
    """EfficientNet as in ALIGN."""

    def _stages(self, size: ConvolutionSize, config: Any, **options: Any) -> list[nnx.Module]:
        return efficientnet(size, norm=config.get("norm", "group"), **options)
