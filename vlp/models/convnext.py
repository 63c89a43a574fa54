"""ConvNeXt (arXiv 2201.03545): a convolutional image tower of depthwise convolutions, layer norms and MLPs."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from vlp.models.compute import REMAT_POLICIES, Compute
from vlp.models.linear import linear
from vlp.models.micro_batch import micro_batched
from vlp.models.sharding import constrain_batch
from vlp.models.shared import for_all
from vlp.models.sizes import convolution_size
from vlp.models.stems import STD, Patches
from vlp.models.vision import TowerOutput, drawn_branches

LAYER_SCALE = 1e-6  # at first


def norm(width: int, *, epsilon: float, compute: Compute, rngs: nnx.Rngs) -> nnx.LayerNorm:
    """Builds a layer norm over channels."""
    return nnx.LayerNorm(width, epsilon=epsilon, dtype=compute.dtype, rngs=rngs)


class ConvNeXtBlock(nnx.Module):
    """x + scale * mlp(norm(depthwise(x))) (figure 4); stochastic depth drops the branch of some examples."""

    def __init__(self, width: int, *, epsilon: float, compute: Compute, rngs: nnx.Rngs):
        self.compute = compute
        self.kernel = nnx.Param(nnx.initializers.normal(STD)(rngs.params(), (7, 7, 1, width)))
        self.bias = nnx.Param(jnp.zeros((width,)))
        self.norm = norm(width, epsilon=epsilon, compute=compute, rngs=rngs)
        self.up = linear(width, 4 * width, std=STD, compute=compute, rngs=rngs)
        self.down = linear(4 * width, width, std=STD, compute=compute, rngs=rngs)
        self.layer_scale = nnx.Param(jnp.full((width,), LAYER_SCALE, jnp.float32))

    def __call__(
        self, x: Float[Array, "batch rows columns width"], branch: Float[Array, " batch"] | None = None
    ) -> Float[Array, "batch rows columns width"]:
        """Runs the block; `branch` multiplies what it adds to each example."""
        mixed = jax.lax.conv_general_dilated(
            x,
            self.kernel[...].astype(x.dtype),
            window_strides=(1, 1),
            padding="SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=x.shape[-1],
        )
        mixed = self.norm(mixed + for_all(self.bias, mixed.shape, x.dtype))
        mixed = self.down(nnx.gelu(self.up(mixed), approximate=False))
        mixed = for_all(self.layer_scale, mixed.shape, x.dtype) * mixed
        return x + (mixed if branch is None else branch[:, None, None, None].astype(x.dtype) * mixed)


class ConvNeXt(nnx.Module):
    """A stem, four stages of blocks that are alike and scanned, the mean over the last grid, and a norm."""

    def __init__(self, config: Any, *, compute: Compute, rngs: nnx.Rngs):
        """Builds the tower.

        Args:
          config: `model.image` of the config, of kind 'convnext'; see configs/base.py.
          compute: dtype, scan and remat.
          rngs: where initial values come from.
        """
        size = convolution_size(config)
        options: dict[str, Any] = {"compute": compute, "rngs": rngs}
        normed = {**options, "epsilon": config.get("norm_eps", 1e-6)}
        self.compute, self.width, self.depths = compute, size.channels[-1], size.blocks
        self.drop_path = config.get("drop_path", 0.0)
        inputs = (3, *size.channels[:-1])
        sides = (4, 2, 2, 2)
        self.patches_in = nnx.List(
            [Patches(a, b, side, **options) for a, b, side in zip(inputs, size.channels, sides, strict=True)]
        )
        # The stem is followed by its norm, the others are preceded by theirs.
        self.norms = nnx.List([norm(width, **normed) for width in (size.channels[0], *inputs[1:])])
        self.stages = nnx.List(
            [_stack(width, count, **normed) for width, count in zip(size.channels, size.blocks, strict=True)]
        )
        self.norm = norm(self.width, **normed)

    def __call__(
        self, pixels: Float[Array, "batch height width 3"], key: PRNGKeyArray | None = None
    ) -> TowerOutput:
        """Encodes normalised pixels; the tokens are the last grid, row by row. The key is of stochastic depth; without
        one nothing is dropped, as in evaluation."""
        branches = drawn_branches(key, self.drop_path, (len(pixels), sum(self.depths)))
        given = (pixels,) if branches is None else (pixels, branches)
        return micro_batched(self._encode, self.compute.micro_batch, *given)

    def patches(self, pixels: Float[Array, "batch height width 3"]) -> Float[Array, "batch patches width"]:
        """Returns the cells of the last grid, each normalised as their mean is in `pooled`."""
        return self.norm(self(pixels).tokens)

    def _encode(
        self,
        pixels: Float[Array, "batch height width 3"],
        branches: Float[Array, "batch depth"] | None = None,
    ) -> TowerOutput:
        x, first = pixels, 0
        for number, (enter, rescale, blocks) in enumerate(
            zip(self.patches_in, self.norms, self.stages, strict=True)
        ):
            x = constrain_batch(rescale(enter(x)) if number == 0 else enter(rescale(x)))
            depth = self.depths[number]
            x = self._run(
                x, blocks, depth, None if branches is None else branches[:, first : first + depth].T
            )
            first += depth
        tokens = x.reshape(x.shape[0], -1, self.width)
        return TowerOutput(self.norm(tokens.astype(jnp.float32).mean(axis=1)), tokens)

    def _run(
        self,
        x: Float[Array, "batch rows columns width"],
        blocks: ConvNeXtBlock,
        depth: int,
        branches: Float[Array, "depth batch"] | None,
    ) -> Float[Array, "batch rows columns width"]:
        def run_block(x: Array, inputs: tuple[ConvNeXtBlock, Array | None]) -> tuple[Array, None]:
            return constrain_batch(inputs[0](x, inputs[1])), None

        if self.compute.remat != "none":
            run_block = jax.checkpoint(run_block, policy=REMAT_POLICIES[self.compute.remat])
        x, _ = jax.lax.scan(run_block, x, (blocks, branches), unroll=depth if self.compute.unroll else 1)
        return x


def _stack(width: int, count: int, *, epsilon: float, compute: Compute, rngs: nnx.Rngs) -> ConvNeXtBlock:
    """Builds the blocks of a stage as one whose parameters carry a leading axis."""

    @nnx.split_rngs(splits=count)
    @nnx.vmap
    def stack(rngs: nnx.Rngs) -> ConvNeXtBlock:
        return ConvNeXtBlock(width, epsilon=epsilon, compute=compute, rngs=rngs)

    return stack(rngs)
