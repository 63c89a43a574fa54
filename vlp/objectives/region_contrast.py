"""Images as the most that any of their regions shows: DITO."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from vlp.encodings import Encodings
from vlp.kernels.directions import mix
from vlp.kernels.unit import unit
from vlp.models.dual_encoder import DualEncoder
from vlp.models.regions import GRIDS, RegionHead, grid_boxes
from vlp.objectives.base import Objective, ObjectiveOutput
from vlp.objectives.regions import as_map, grid_side
from vlp.objectives.rows import own_columns
from vlp.randomness import fold_in_name


class BoxedImages(nnx.Module):
    """A detector's head over boxes in the place of a global pool; the largest value of each channel over the boxes is
    the image's."""

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs):
        """Builds the head.

        Args:
          config: `samples`, `hidden`, `windows` and `image_view` of the objective.
          model: for its widths.
          rngs: where initial values come from.
        """
        self.head = RegionHead.beside(model, config, rngs)
        self.windows, self.image_view = config.windows, config.image_view

    def tokens(self, encodings: Encodings) -> Float[Array, "batch patches width"]:
        """Returns patches; with windows, the mean of those of windows and of windows shifted by half of one."""
        if not self.windows:
            return encodings.image_tower(self.image_view).tokens
        pixels = encodings.pixels(self.image_view)
        shift = pixels.shape[1] // self.windows // 2
        plain = windowed(encodings.model.image, pixels, self.windows)
        moved = windowed(encodings.model.image, jnp.roll(pixels, (-shift, -shift), (1, 2)), self.windows)
        cells = shift // (pixels.shape[1] // plain.shape[1])
        mean = (plain + jnp.roll(moved, (cells, cells), (1, 2))) / 2
        return mean.reshape(len(mean), -1, mean.shape[-1])

    def rows(
        self, encodings: Encodings, boxes: Float[Array, "batch regions 4"]
    ) -> Float[Array, "batch regions embed_dim"]:
        """Returns rows of boxes, of any length."""
        return self.head(self.tokens(encodings), boxes)

    def score(self, encodings: Encodings, texts: str) -> Float[Array, "batch labels"]:
        """Returns the cosines of images, by fixed boxes, with the labels of the constant texts `texts`."""
        boxes = _for_each(grid_boxes(GRIDS), encodings.batch[self.image_view])
        return unit(self.rows(encodings, boxes).max(axis=1)) @ encodings.label_texts(texts).T

    def score_regions(self, encodings: Encodings, texts: str) -> Float[Array, "batch regions labels"]:
        """Returns the cosines of the batch's `region_boxes` with the labels of the constant texts `texts`."""
        rows = unit(self.rows(encodings, encodings.batch["region_boxes"]))
        return jnp.einsum("brd,cd->brc", rows, encodings.label_texts(texts))

    def score_map(self, encodings: Encodings, texts: str) -> Float[Array, "batch labels side side"]:
        """Returns the cosine of each label with a box around each cell, of a quarter of the image's side."""
        tokens = self.tokens(encodings)
        side = round(tokens.shape[1] ** 0.5)
        middles = (np.indices((side, side)).reshape(2, -1).T[:, ::-1] + 0.5) / side
        around = np.clip(np.concatenate([middles - 0.125, middles + 0.125], axis=1), 0.0, 1.0)
        rows = unit(self.head(tokens, _for_each(around.astype(np.float32), tokens)))
        return as_map(jnp.einsum("bpd,cd->bcp", rows, encodings.label_texts(texts)))


class RegionContrast(Objective):
    """CLIP's contrast of captions with images that a detector's head over random boxes makes.

    DITO (arXiv 2310.00161): the head that a detector will have is trained with images and texts alone. Its pyramid of
    levels is one level here, of a plain ViT; how many boxes are drawn, and of what size, is not verified. Windows are
    images of their own for the tower (shifted-window learning, section 3.2), which costs two more passes.
    """

    parts = ("regions",)

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs):
        """Builds the head.

        Args:
          config: `objectives.region_contrast`; see configs/settings.
          model: for its widths.
          rngs: initial values.
        """
        self.regions = BoxedImages(config, model=model, rngs=rngs)
        self.boxes, self.smallest, self.chunk = config.boxes, config.smallest, config.chunk
        self.image_view, self.cells = config.image_view, grid_side(model.image)
        self.again = (self.image_view,) if config.windows else ()  # the windows that are shifted
        self.fields = (self.image_view, "text", "text_mask")

    def flops(self) -> float:
        """Counts the head."""
        return self.boxes * self.regions.head.flops(self.cells)

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """Returns the mean of both directions."""
        key = encodings.key(f"{self.image_view}/boxes")
        boxes = random_boxes(key, (len(encodings.batch[self.image_view]), self.boxes), self.smallest)
        rows = self.regions.rows(encodings, boxes)
        both, scale = (unit(rows.max(axis=1)), encodings.text()), encodings.logit_scale()
        ways = [own_columns(*pair, scale, chunk=self.chunk) for pair in (both, both[::-1])]
        return ObjectiveOutput(mix(ways[0][0], ways[1][0], 0.5), {"accuracy": ways[0][1]})


def random_boxes(key: PRNGKeyArray, shape: tuple[int, int], smallest: float) -> Float[Array, "batch boxes 4"]:
    """Draws boxes whose area is a share of the image between the smallest and 1, their ratio between 1/2 and 2.

    Args:
      key: randomness.
      shape: images, boxes of each.
      smallest: share of the image.
    """
    area = jax.random.uniform(fold_in_name(key, "area"), shape, minval=smallest)
    span = math.log(2.0)
    ratio = jnp.exp(jax.random.uniform(fold_in_name(key, "ratio"), shape, minval=-span, maxval=span) / 2)
    sides = jnp.minimum(jnp.sqrt(area)[..., None] * jnp.stack([ratio, 1 / ratio], axis=-1), 1.0)
    start = jax.random.uniform(fold_in_name(key, "place"), (*shape, 2)) * (1.0 - sides)
    return jnp.concatenate([start, start + sides], axis=-1)


def windowed(
    tower: Any, pixels: Float[Array, "batch height width 3"], windows: int
) -> Float[Array, "batch side side channels"]:
    """Returns the patches of windows x windows parts of images, of which each sees itself alone, in their places."""
    batch, side = len(pixels), pixels.shape[1] // windows
    parts = pixels.reshape(batch, windows, side, windows, side, 3).swapaxes(2, 3)
    tokens = tower(parts.reshape(-1, side, side, 3)).tokens
    cells = round(tokens.shape[1] ** 0.5)
    whole = tokens.reshape(batch, windows, windows, cells, cells, -1).swapaxes(2, 3)
    return whole.reshape(batch, windows * cells, windows * cells, -1)


def _for_each(boxes: Float[np.ndarray, "boxes 4"], images: Array) -> Float[Array, "batch boxes 4"]:
    return jnp.broadcast_to(boxes, (len(images), *boxes.shape))
