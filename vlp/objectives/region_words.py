"""Regions and the words of a caption that speak of them: MDETR's alignment, for boxes that are given."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from vlp.encodings import Encodings
from vlp.given import Context
from vlp.kernels.alignment import contrastive_alignment
from vlp.kernels.unit import unit
from vlp.models.dual_encoder import DualEncoder
from vlp.models.flops import mlp_flops
from vlp.models.linear import linear
from vlp.models.regions import RegionHead
from vlp.objectives.base import Objective, ObjectiveOutput
from vlp.objectives.regions import BOXES, TEXTS, grid_side


class RegionRows(nnx.Module):
    """Rows of boxes in the space of texts."""

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs):
        """Builds the head.

        Args:
          config: `samples`, `hidden` and `image_view` of the objective.
          model: for its widths.
          rngs: where initial values come from.
        """
        self.head = RegionHead.beside(model, config, rngs)
        self.image_view = config.image_view

    def rows(
        self, encodings: Encodings, boxes: Float[Array, "batch regions 4"]
    ) -> Float[Array, "batch regions embed_dim"]:
        """Returns unit rows of boxes."""
        return unit(self.head(encodings.image_tower(self.image_view).tokens, boxes))

    def score_regions(self, encodings: Encodings, texts: str) -> Float[Array, "batch regions labels"]:
        """Returns the cosines of the batch's `region_boxes` with the labels of the constant texts `texts`."""
        rows = self.rows(encodings, encodings.batch["region_boxes"])
        return jnp.einsum("brd,cd->brc", rows, encodings.label_texts(texts))


class RegionWords(Objective):
    """Contrast, inside each image, of its regions with the tokens of its caption, both ways.

    MDETR's alignment (arXiv 2104.12763, section 2.2.2) where boxes are given and not found: no encoder of both, no
    matching, no soft token prediction. A token speaks of a region where it stands in a stretch of the caption that is
    the region's text.
    """

    parts = ("regions",)

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs, context: Context):
        """Builds the head and the projection of tokens.

        Args:
          config: `objectives.region_words`; see configs/settings.
          model: for its widths.
          rngs: initial values.
          context: the length of texts.
        """
        width = model.text.width
        self.regions = RegionRows(config, model=model, rngs=rngs)
        self.words = linear(width, model.embed_dim, std=width**-0.5, compute=model.compute, rngs=rngs)
        self.temperature = config.temperature
        self.fields = (config.image_view, "text", "text_mask", *TEXTS, *BOXES)
        self.raw = (*TEXTS, *BOXES)
        self.cells, self.length = grid_side(model.image), context.length

    def flops(self) -> float:
        """Counts the projection of the caption's tokens."""
        return float(self.length * mlp_flops((self.words.in_features, self.words.out_features)))

    def view_flops(self) -> dict[str, float]:
        """Counts the head, for each region."""
        return {BOXES[0]: self.regions.head.flops(self.cells)}

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """Returns the mean over regions that the caption speaks of."""
        batch = encodings.batch
        rows = self.regions.rows(encodings, batch["region_boxes"])
        words = unit(self.words(encodings.text_tower("text").tokens))
        positive = spoken_of(
            batch["text"], batch["text_mask"], batch["region_text"], batch["region_text_mask"]
        )
        scores = jnp.einsum("brd,btd->brt", rows, words) / self.temperature
        there = batch["region_mask"]
        loss = contrastive_alignment(scores, positive, there, batch["text_mask"])
        about = (positive & there[..., None]).any(axis=1)
        best = jnp.where(there[..., None], scores, -jnp.inf).argmax(axis=1)
        right = jnp.take_along_axis(positive, best[:, None], axis=1)[:, 0] & about
        metrics = {
            "accuracy": right.sum() / jnp.maximum(about.sum(), 1),
            "spoken_of": loss.weight / jnp.maximum(there.sum(), 1),
        }
        return ObjectiveOutput(loss, metrics)


def spoken_of(
    ids: Int[Array, "batch length"],
    mask: Bool[Array, "batch length"],
    phrases: Int[Array, "batch regions words"],
    phrase_mask: Bool[Array, "batch regions words"],
) -> Bool[Array, "batch regions length"]:
    """Tells which tokens of a text stand in a stretch that is a phrase; tokens that begin or end texts are left out.

    Args:
      ids: tokens of texts.
      mask: which are real.
      phrases: tokens of each text's phrases, as texts of their own.
      phrase_mask: which of these are real.
    """
    length, words = ids.shape[1], phrases.shape[2]
    count = phrase_mask.sum(axis=2) - 2  # without begin and end
    inner = jnp.pad(phrases, ((0, 0), (0, 0), (0, 1)))[:, :, 1:]
    padded = jnp.pad(jnp.where(mask, ids, -1), ((0, 0), (0, words)), constant_values=-1)
    # [batch, begin, words]: the stretch that begins at each token.
    stretch = padded[:, jnp.arange(length)[:, None] + jnp.arange(words)]
    beyond = jnp.arange(words) >= count[..., None]
    same = (stretch[:, None] == inner[:, :, None]) | beyond[:, :, None]
    begins = same.all(axis=3) & (count > 0)[..., None]
    behind = jnp.arange(length)[:, None] - jnp.arange(length)
    inside = (behind >= 0) & (behind < count[..., None, None])  # [batch, regions, token, begin]
    return (inside & begins[:, :, None]).any(axis=3) & mask[:, None]
