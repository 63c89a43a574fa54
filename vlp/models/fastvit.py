"""FastViT (arXiv 2303.14189), the image tower of MobileCLIP (2311.17049): convolutions, then attention in the last
stages.

It is published with branches beside each convolution and batch norms behind them, which come to one convolution with a
bias each (section 3.1). That is what is here, for training, too: its output never depends on the others of its batch.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from vlp.models.attention import Attention
from vlp.models.compute import Compute
from vlp.models.convolution import ConvolutionalTower, Stage
from vlp.models.families.fastvit import HEAD, Part, parts
from vlp.models.linear import linear
from vlp.models.norms import layer_norm
from vlp.models.shared import for_all
from vlp.models.sizes import ConvolutionSize, TowerSize
from vlp.models.stems import STD, BiasedConvolution, gelu

LAYER_SCALE = 1e-5  # at first
EPSILON = 1e-5  # of layer norms


class Layer(nnx.Module):
    """A convolution, perhaps squeeze and excitation (arXiv 1709.01507), and a GELU."""

    def __init__(self, part: Part, *, compute: Compute, rngs: nnx.Rngs):
        self.compute = compute
        self.convolution = BiasedConvolution(
            part.inputs, part.outputs, part.side, stride=part.stride, depthwise=part.depthwise, rngs=rngs
        )
        self.squeeze, self.excite = (
            linear(one, other, std=one**-0.5, compute=compute, rngs=rngs) if part.squeezed else None
            for one, other in ((part.outputs, part.squeezed), (part.squeezed, part.outputs))
        )

    def __call__(
        self, x: Float[Array, "batch height width inputs"]
    ) -> Float[Array, "batch rows columns outputs"]:
        x = self.convolution(x.astype(self.compute.dtype))
        if self.squeeze is not None and self.excite is not None:
            squeezed = nnx.relu(self.squeeze(x.mean(axis=(1, 2))))
            x = x * for_all(nnx.sigmoid(self.excite(squeezed))[:, None, None], x.shape, x.dtype)
        return gelu(x)


class SpatialMlp(nnx.Module):
    """An MLP of each cell behind a depthwise convolution."""

    def __init__(self, width: int, hidden: int, *, compute: Compute, rngs: nnx.Rngs):
        self.spatial = BiasedConvolution(width, width, 7, depthwise=True, rngs=rngs)
        self.up = linear(width, hidden, std=STD, compute=compute, rngs=rngs)
        self.down = linear(hidden, width, std=STD, compute=compute, rngs=rngs)

    def __call__(
        self, x: Float[Array, "batch rows columns width"]
    ) -> Float[Array, "batch rows columns width"]:
        return self.down(gelu(self.up(self.spatial(x))))


def _scale(width: int) -> nnx.Param:
    return nnx.Param(jnp.full((width,), LAYER_SCALE, jnp.float32))


class MixerBlock(nnx.Module):
    """A depthwise convolution, its shortcut within it, and an MLP beside another."""

    def __init__(
        self, width: int, outputs: int, stride: int, *, part: Part, compute: Compute, rngs: nnx.Rngs
    ):
        self.mixer = BiasedConvolution(width, outputs, 3, stride=stride, depthwise=True, rngs=rngs)
        self.mlp = SpatialMlp(outputs, part.hidden, compute=compute, rngs=rngs)
        self.mlp_scale = _scale(outputs)

    def __call__(
        self, x: Float[Array, "batch rows columns width"]
    ) -> Float[Array, "batch rows columns width"]:
        x = self.mixer(x)
        return x + for_all(self.mlp_scale, x.shape, x.dtype) * self.mlp(x)


class AttentionBlock(nnx.Module):
    """Attention between all cells, and an MLP, each beside a shortcut."""

    def __init__(
        self, width: int, outputs: int, stride: int, *, part: Part, compute: Compute, rngs: nnx.Rngs
    ):
        size = TowerSize(width, part.blocks, width // HEAD, part.hidden, norm_eps=EPSILON)
        # Grids are small, and may have an odd number of cells, of which cuDNN has no gradient.
        plain = dataclasses.replace(compute, attention="xla")
        self.norm = layer_norm(size, compute=compute, rngs=rngs) if part.normalised else None
        self.attention = Attention(size, causal=False, compute=plain, rngs=rngs)
        self.attention_scale = _scale(width)
        self.mlp = SpatialMlp(outputs, part.hidden, compute=compute, rngs=rngs)
        self.mlp_scale = _scale(outputs)

    def __call__(
        self, x: Float[Array, "batch rows columns width"]
    ) -> Float[Array, "batch rows columns width"]:
        tokens = x.reshape(x.shape[0], -1, x.shape[-1])
        tokens = tokens if self.norm is None else self.norm(tokens)
        mixed = self.attention(tokens, None).reshape(x.shape)
        x = x + for_all(self.attention_scale, x.shape, x.dtype) * mixed
        return x + for_all(self.mlp_scale, x.shape, x.dtype) * self.mlp(x)


class FastVit(ConvolutionalTower):
    """FastViT as MobileCLIP has it."""

    def _stages(self, size: ConvolutionSize, config: Any, **options: Any) -> list[nnx.Module]:
        return [_built(part, **options) for part in parts(size)]


def _built(part: Part, *, compute: Compute, rngs: nnx.Rngs) -> nnx.Module:
    if part.kind == "layer":
        return Layer(part, compute=compute, rngs=rngs)
    if part.kind == "position":
        return BiasedConvolution(part.inputs, part.outputs, part.side, depthwise=True, rngs=rngs)
    block = functools.partial({"mixer": MixerBlock, "attention": AttentionBlock}[part.kind], part=part)
    width = part.outputs
    return Stage(block, width, width, stride=1, count=part.blocks, compute=compute, rngs=rngs)
