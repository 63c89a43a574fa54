"""The image tower for images at their own aspect ratio and within a budget of tokens (NaFlex)."""

from __future__ import annotations

import math
from typing import Any, NamedTuple, NoReturn

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray

from input_pipeline.errors import UserError
from vlp.models import pooling
from vlp.models.compute import Compute
from vlp.models.linear import linear
from vlp.models.micro_batch import micro_batched
from vlp.models.positions import LearnedPosition
from vlp.models.sizes import tower_size
from vlp.models.transformer import Transformer
from vlp.models.vision import drawn_branches


class PaddedOutput(NamedTuple):
    """Holds what the tower knows about images of any shape; whoever asks for `tokens` does not know of padding.

    Attributes:
      pooled: one vector an image, before any projection.
      padded: the outputs at patches, row by row, and 0 behind the last of an image.
      lengths: patches of each image.
    """

    pooled: Float[Array, "batch width"]
    padded: Float[Array, "batch patches width"]
    lengths: Int[Array, " batch"]

    @property
    def tokens(self) -> NoReturn:
        """Refuses.

        Raises:
          ValueError: always; it says what to do.
        """
        raise UserError(
            "an active objective reads what the image tower gives at patches, and those of kind 'naflex' are of "
            "another shape in each image, and padded: use model.image.kind='vit'"
        )


class NaFlexTransformer(nnx.Module):
    """Patches, positions resampled for each image, transformer and pooling that see no padding.

    SigLIP 2 (arXiv 2502.14786, section 2.4.2), after FlexiViT's and NaViT's: one square table of positions for images
    of all shapes.
    """

    def __init__(self, config: Any, *, compute: Compute, rngs: nnx.Rngs):
        """Builds the tower.

        Args:
          config: `model.image` of the config; its resolution is that of the grid that positions are learned for.
          compute: dtype, attention implementation, scan and remat.
          rngs: where initial values come from.
        """
        size, side = tower_size(config), config.resolution // config.patch_size
        self.width, self.depth, self.compute = size.width, size.depth, compute
        self.pool, self.drop_path = config.pool, config.get("drop_path", 0.0)
        values = 3 * config.patch_size**2
        self.patch_embedding = linear(values, size.width, std=values**-0.5, compute=compute, rngs=rngs)
        self.position = LearnedPosition(side**2, size.width, size.width**-0.5, rngs=rngs)
        self.transformer = Transformer(size, causal=False, compute=compute, rngs=rngs)
        if config.pool == "attention":
            self.attention_pool = pooling.AttentionPool(
                size, compute=compute, rngs=rngs, project_query=config.get("project_query", False)
            )

    def __call__(
        self,
        pixels: Float[Array, "batch patches values 3"],
        key: PRNGKeyArray | None = None,
        *,
        grid: Int[Array, "batch 2"],
    ) -> PaddedOutput:
        """Encodes normalised pixels.

        Args:
          pixels: patches, row by row and padded; their number is the same for all images, whatever it is.
          key: randomness of stochastic depth; None keeps everything, as evaluation does.
          grid: rows and columns of each image's own patches.
        """
        branches = drawn_branches(key, self.drop_path, (len(pixels), self.depth, 2))
        arrays = [] if branches is None else [branches]
        return micro_batched(self._encode, self.compute.micro_batch, pixels, grid, *arrays)

    def _encode(
        self,
        pixels: Float[Array, "batch patches values 3"],
        grid: Int[Array, "batch 2"],
        branches: Float[Array, "batch depth 2"] | None = None,
    ) -> PaddedOutput:
        count, lengths = pixels.shape[1], grid.prod(axis=1).astype(jnp.int32)
        x = self.patch_embedding(pixels.reshape(*pixels.shape[:2], -1))
        x = x + positions_of(self.position(), grid, count).astype(x.dtype)
        x, _ = self.transformer(x, lengths, branches=branches)
        x = jnp.where((jnp.arange(count) < lengths[:, None])[..., None], x, 0)
        attends = self.pool == "attention"
        pooled = self.attention_pool(x, lengths) if attends else pooling.mean(x, lengths)
        return PaddedOutput(pooled, x, lengths)

    def patches(
        self, pixels: Float[Array, "batch patches values 3"], *, grid: Int[Array, "batch 2"]
    ) -> Float[Array, "batch patches width"]:
        """Returns what each patch says in the space of `pooled`, row by row and padded; of an attention pool, the patch
        attended to alone (MaskCLIP, arXiv 2112.01071)."""
        x = self(pixels, grid=grid).padded
        return (
            x if self.pool == "mean" else self.attention_pool(x.reshape(-1, 1, self.width)).reshape(x.shape)
        )


def positions_of(
    table: Float[Array, "side*side width"], grid: Int[Array, "batch 2"], count: int
) -> Float[Array, "batch count width"]:
    """Resamples the positions of a square grid for each image: bilinear, and antialiased where its grid is coarser.

    Each place takes what PyTorch's `interpolate(mode="bilinear", antialias=True)` gives it, by weights of its row times
    weights of its column, so that images of all shapes are one product of static shape. In float32 at least.

    Args:
      table: row by row.
      grid: rows and columns of each image.
      count: places of each row of the result; those beyond an image's own mean nothing, and are finite.
    """
    side, place, columns = math.isqrt(len(table)), jnp.arange(count), grid[:, 1:]
    dtype = jnp.promote_types(table.dtype, jnp.float32)
    along = [jnp.minimum(place // columns, grid[:, :1] - 1), place % columns]
    rows, across = (
        _triangle_weights(at, sizes.astype(dtype), side)
        for at, sizes in zip(along, (grid[:, :1], columns), strict=True)
    )
    weights = (rows[..., :, None] * across[..., None, :]).reshape(*rows.shape[:2], side**2)
    return jnp.einsum("bpg,gw->bpw", weights, table.astype(dtype), precision=jax.lax.Precision.HIGHEST)


def _triangle_weights(
    places: Int[Array, "batch count"], sizes: Float[Array, "batch 1"], side: int
) -> Float[Array, "batch count side"]:
    """What the place of a row or column, of so many, takes of each of `side`: a triangle of the coarser step."""
    scale = side / sizes
    centres = (places + 0.5) * scale - 0.5
    distance = jnp.abs(jnp.arange(side) - centres[..., None])
    weights = jnp.maximum(0.0, 1.0 - distance / jnp.maximum(scale, 1.0)[..., None])
    return weights / weights.sum(axis=-1, keepdims=True)
