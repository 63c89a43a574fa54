"""What embeds pixels as the tokens of a vision transformer, in the place of one linear layer over patches."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from vlp.models.compute import Compute
from vlp.models.families.stems import BLOCKS, SIDES
from vlp.models.linear import Linear, linear
from vlp.models.norms import LayerNorm
from vlp.models.shared import for_all

STD = 0.02  # of initial weights
EPSILON = 1e-6  # of layer norms

gelu = functools.partial(nnx.gelu, approximate=False)


class Patches(nnx.Module):
    """Embeds squares of pixels or cells that do not overlap."""

    def __init__(self, inputs: int, outputs: int, side: int, *, compute: Compute, rngs: nnx.Rngs):
        self.side = side
        self.projection = linear(side * side * inputs, outputs, std=STD, compute=compute, rngs=rngs)

    def __call__(
        self, x: Float[Array, "batch height width inputs"]
    ) -> Float[Array, "batch rows columns outputs"]:
        side, (batch, height, width, channels) = self.side, x.shape
        rows, columns = height // side, width // side
        x = x[:, : rows * side, : columns * side].reshape(batch, rows, side, columns, side, channels)
        return self.projection(x.swapaxes(2, 3).reshape(batch, rows, columns, side * side * channels))


class BiasedConvolution(nnx.Module):
    """A convolution whose input is padded by half its kernel all around, and a bias."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        side: int,
        *,
        rngs: nnx.Rngs,
        stride: int = 1,
        depthwise: bool = False,
    ):
        self.stride, self.groups = stride, inputs if depthwise else 1
        shape = (side, side, inputs // self.groups, outputs)
        self.kernel = nnx.Param(nnx.initializers.he_normal()(rngs.params(), shape))
        self.bias = nnx.Param(jnp.zeros((outputs,)))

    def __call__(
        self, x: Float[Array, "batch height width inputs"]
    ) -> Float[Array, "batch rows columns outputs"]:
        half = self.kernel.shape[0] // 2
        x = jax.lax.conv_general_dilated(
            x,
            self.kernel[...].astype(x.dtype),
            window_strides=(self.stride, self.stride),
            padding=((half, half), (half, half)),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=self.groups,
        )
        return x + for_all(self.bias, x.shape, x.dtype)


class NestedStem(nnx.Module):
    """Embeds squares of 4 x 4 pixels, then twice squares of 2 x 2 of what came out, with a GELU between (MobileCLIP-B,
    arXiv 2311.17049, section 3.2, its batch norms in the weights)."""

    def __init__(self, inner: int, width: int, *, compute: Compute, rngs: nnx.Rngs):
        widths = (3, inner, inner, width)
        self.layers = nnx.List(
            [
                Patches(one, other, side, compute=compute, rngs=rngs)
                for one, other, side in zip(widths, widths[1:], SIDES, strict=False)
            ]
        )

    def __call__(self, x: Float[Array, "batch height width 3"]) -> Float[Array, "batch rows columns outputs"]:
        *hidden, last = self.layers
        for layer in hidden:
            x = gelu(layer(x))
        return last(x)


class MobileBlock(nnx.Module):
    """An inverted bottleneck behind a layer norm (ViTamin's MBConv-LN, arXiv 2404.02132, section 3.3)."""

    def __init__(self, inputs: int, outputs: int, *, stride: int, compute: Compute, rngs: nnx.Rngs):
        def dense(one: int, other: int) -> Linear:
            return linear(one, other, std=STD, compute=compute, rngs=rngs)

        inner = 4 * outputs
        self.stride = stride
        self.norm = LayerNorm(inputs, epsilon=EPSILON, dtype=compute.dtype, rngs=rngs)
        self.up = dense(inputs, inner)
        self.spatial = BiasedConvolution(inner, inner, 3, rngs=rngs, stride=stride, depthwise=True)
        self.down = dense(inner, outputs)
        self.shortcut = dense(inputs, outputs) if inputs != outputs else None

    def __call__(
        self, x: Float[Array, "batch height width inputs"]
    ) -> Float[Array, "batch rows columns outputs"]:
        branch = self.down(gelu(self.spatial(gelu(self.up(self.norm(x))))))
        x = mean_of_neighbours(x) if self.stride == 2 else x
        return branch + (x if self.shortcut is None else self.shortcut(x))


def mean_of_neighbours(
    x: Float[Array, "batch height width channels"],
) -> Float[Array, "batch rows columns channels"]:
    """Returns the means of squares of three at every other place, of what lies within the image alone."""
    return nnx.avg_pool(x, (3, 3), strides=(2, 2), padding=((1, 1), (1, 1)), count_include_pad=False)


class MobileStem(nnx.Module):
    """Two convolutions, two stages of inverted bottlenecks, and a convolution to tokens; each but the second halves the
    side (ViTamin, arXiv 2404.02132, table 1)."""

    def __init__(self, inner: int, width: int, *, compute: Compute, rngs: nnx.Rngs):
        def norm(channels: int) -> LayerNorm:
            return LayerNorm(channels, epsilon=EPSILON, dtype=compute.dtype, rngs=rngs)

        def stage(inputs: int, outputs: int, count: int) -> nnx.List:
            def block(inputs: int, stride: int) -> MobileBlock:
                return MobileBlock(inputs, outputs, stride=stride, compute=compute, rngs=rngs)

            return nnx.List([block(inputs, 2), *(block(outputs, 1) for _ in range(count - 1))])

        self.compute = compute
        self.first = BiasedConvolution(3, inner, 3, rngs=rngs, stride=2)
        self.first_norm = norm(inner)
        self.second = BiasedConvolution(inner, inner, 3, rngs=rngs)
        self.stages = nnx.List([stage(inner, inner, BLOCKS[0]), stage(inner, 2 * inner, BLOCKS[1])])
        self.last_norm = norm(2 * inner)
        self.last = BiasedConvolution(2 * inner, width, 3, rngs=rngs, stride=2)

    def __call__(self, x: Float[Array, "batch height width 3"]) -> Float[Array, "batch rows columns outputs"]:
        x = self.second(gelu(self.first_norm(self.first(x.astype(self.compute.dtype)))))
        for stage in self.stages:
            for block in stage:
                x = block(x)
        return self.last(self.last_norm(x))


STEMS: dict[str, type[NestedStem] | type[MobileStem]] = {"nested": NestedStem, "mobile": MobileStem}
