"""Parts of an image from the tower's grid of patches: what lies in a box, and boxes that queries find."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from vlp.kernels.boxes import corners
from vlp.models.compute import Compute
from vlp.models.decoder import Decoder
from vlp.models.flops import FORWARDS_PER_STEP, mlp_flops
from vlp.models.linear import linear
from vlp.models.shared import for_all
from vlp.models.sizes import TowerSize

GRIDS = (1, 2, 3)  # parts of a side, whose boxes are taken where nothing draws or finds any


def grid_of(patches: Float[Array, "batch patches width"]) -> Float[Array, "batch side side width"]:
    """Returns a tower's patches, row by row, as a square.

    Raises:
      ValueError: they are no square, as with patch dropout.
    """
    side = round(patches.shape[1] ** 0.5)
    if side**2 != patches.shape[1]:
        raise ValueError(
            f"{patches.shape[1]} patches are no square: regions need all of them, so set "
            "model.image.patch_dropout to 0"
        )
    return patches.reshape(len(patches), side, side, -1)


def region_samples(
    grid: Float[Array, "batch rows columns width"], boxes: Float[Array, "batch regions 4"], size: int
) -> Float[Array, "batch regions samples width"]:
    """Returns size x size samples of each box, row by row, between the grid's values (RoIAlign, arXiv 1703.06870, with
    one sample a bin).

    Args:
      grid: values at the middles of the image's cells.
      boxes: left, top, right and bottom in [0, 1].
      size: samples of a side, in the middles of as many bins.
    """
    down = _weights(boxes[..., 1], boxes[..., 3], size, grid.shape[1]).astype(grid.dtype)
    across = _weights(boxes[..., 0], boxes[..., 2], size, grid.shape[2]).astype(grid.dtype)
    rows = jnp.einsum("bnyr,brcw->bnycw", down, grid)
    found = jnp.einsum("bnxc,bnycw->bnyxw", across, rows)
    return found.reshape(*boxes.shape[:2], size * size, grid.shape[-1])


def _weights(
    start: Float[Array, "batch regions"], end: Float[Array, "batch regions"], size: int, cells: int
) -> Float[Array, "batch regions size cells"]:
    """Linear interpolation along one side; beyond the outermost middles their own values go on."""
    steps = (jnp.arange(size) + 0.5) / size
    places = (start[..., None] + steps * (end - start)[..., None]) * cells - 0.5
    places = jnp.clip(places, 0.0, cells - 1.0)
    return jnp.maximum(1.0 - jnp.abs(places[..., None] - jnp.arange(cells)), 0.0)


def sample_flops(size: int, cells: int, width: int) -> int:
    """Counts the samples of one box, on a square grid."""
    return 2 * width * (size * cells**2 + size**2 * cells)


def grid_boxes(grids: Sequence[int]) -> Float[np.ndarray, "boxes 4"]:
    """Returns the parts that grids cut an image into."""
    boxes = [
        (column / parts, row / parts, (column + 1) / parts, (row + 1) / parts)
        for parts in grids
        for row in range(parts)
        for column in range(parts)
    ]
    return np.array(boxes, np.float32)


class RegionHead(nnx.Module):
    """A row for each box: its samples, a layer on each, their mean, another layer."""

    def __init__(self, width: int, outputs: int, *, size: int, hidden: int, compute: Compute, rngs: nnx.Rngs):
        """Builds the layers.

        Args:
          width: of the grid.
          outputs: of a region's row.
          size: samples of a box's side.
          hidden: between the layers.
          compute: dtype of the products.
          rngs: where initial values come from.
        """
        options: dict[str, Any] = {"compute": compute, "rngs": rngs}
        self.size = size
        self.each = linear(width, hidden, std=width**-0.5, **options)
        self.whole = linear(hidden, outputs, std=hidden**-0.5, **options)

    @classmethod
    def beside(cls, model: Any, config: Any, rngs: nnx.Rngs) -> RegionHead:
        """Builds one from the patches of a model's image tower into the space of both towers.

        Args:
          model: the dual encoder.
          config: `samples` and `hidden` of an objective.
          rngs: where initial values come from.
        """
        size = {"size": config.samples, "hidden": config.hidden}
        return cls(model.image.width, model.embed_dim, **size, compute=model.compute, rngs=rngs)

    def __call__(
        self, patches: Float[Array, "batch patches width"], boxes: Float[Array, "batch regions 4"]
    ) -> Float[Array, "batch regions outputs"]:
        """Returns float32 rows."""
        samples = region_samples(grid_of(patches), boxes, self.size)
        return self.whole(jax.nn.gelu(self.each(samples)).mean(axis=2)).astype(jnp.float32)

    def flops(self, cells: int) -> float:
        """Counts one region, on a grid of so many cells a side, of which its samples ask no gradient of the box."""
        width = self.each.in_features
        samples = sample_flops(self.size, cells, width) * 2 / FORWARDS_PER_STEP
        each = self.size**2 * mlp_flops((width, self.each.out_features))
        return samples + each + mlp_flops((self.whole.in_features, self.whole.out_features))


class Found(NamedTuple):
    """Holds what queries make of an image: a box each, a row each, and one row for the whole image."""

    boxes: Float[Array, "batch queries 4"]
    rows: Float[Array, "batch queries embed_dim"]
    image: Float[Array, "batch embed_dim"]


class RegionQueries(nnx.Module):
    """Learned queries that look at each other and at an image's patches (DETR, arXiv 2005.12872), and one more, which
    stands for the whole image (GRAIN)."""

    def __init__(
        self,
        size: TowerSize,
        queries: int,
        *,
        memory_width: int,
        embed_dim: int,
        compute: Compute,
        rngs: nnx.Rngs,
    ):
        """Builds queries, blocks and heads.

        Args:
          size: of the queries.
          queries: how many boxes are found.
          memory_width: of patches.
          embed_dim: of the joint space.
          compute: dtype, scan and remat.
          rngs: where initial values come from.
        """
        options: dict[str, Any] = {"compute": compute, "rngs": rngs}
        width = size.width
        self.queries = nnx.Param(nnx.initializers.normal(0.02)(rngs.params(), (queries + 1, width)))
        self.decoder = Decoder(size, memory_width=memory_width, **options)
        self.hidden = linear(width, width, std=width**-0.5, **options)
        self.boxes = linear(width, 4, std=0.1 * width**-0.5, **options)
        self.region = linear(width, embed_dim, std=width**-0.5, **options)
        self.whole = linear(width, embed_dim, std=width**-0.5, **options)
        # Boxes begin spread over the image, so that queries begin with places of their own.
        self.places = nnx.Param(nnx.initializers.normal(1.0)(rngs.params(), (queries, 4)))

    def __call__(self, patches: Float[Array, "batch patches memory_width"]) -> Found:
        """Returns boxes as left, top, right and bottom, and rows of any length, in float32."""
        queries = for_all(self.queries, (len(patches), *self.queries.shape), patches.dtype)
        x = self.decoder(queries, patches)
        regions = x[:, :-1]
        moved = self.boxes(jax.nn.relu(self.hidden(regions))).astype(jnp.float32)
        boxes = corners(jax.nn.sigmoid(moved + self.places[...]))
        rows, image = (self.region(regions), self.whole(x[:, -1]))
        return Found(boxes, rows.astype(jnp.float32), image.astype(jnp.float32))

    def flops(self, patches: int) -> int:
        """Counts one image."""
        count, width, outputs = *self.queries.shape, self.region.out_features
        heads = mlp_flops((width, width, 4)) + mlp_flops((width, outputs))
        return self.decoder.flops(count, patches) + (count - 1) * heads + mlp_flops((width, outputs))
