"""Boxes that queries find, matched with those that are there, whose descriptions they have to tell: GRAIN."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from vlp.encodings import Encodings
from vlp.kernels.boxes import generalised_iou, iou
from vlp.kernels.directions import mix
from vlp.kernels.loss import Loss
from vlp.kernels.matching import matched
from vlp.kernels.unit import unit
from vlp.models.dual_encoder import DualEncoder
from vlp.models.regions import Found, RegionQueries
from vlp.models.sizes import TowerSize, tower_size
from vlp.objectives.base import Objective, ObjectiveOutput
from vlp.objectives.regions import BOXES, TEXTS, grid_side, texts_known
from vlp.objectives.rows import own_columns


class GroundedRegions(nnx.Module):
    """Finds boxes in an image and says how well any text fits each of them, and the whole."""

    def __init__(self, size: TowerSize, queries: int, *, model: DualEncoder, image_view: str, rngs: nnx.Rngs):
        """Builds the queries.

        Args:
          size: of them.
          queries: boxes of an image.
          model: for its widths.
          image_view: batch field of images.
          rngs: where initial values come from.
        """
        options: dict[str, Any] = {"compute": model.compute, "rngs": rngs}
        self.found = RegionQueries(
            size, queries, memory_width=model.image.width, embed_dim=model.embed_dim, **options
        )
        self.image_view = image_view

    def __call__(self, encodings: Encodings) -> Found:
        """Returns boxes, and rows of any length."""
        return self.found(encodings.image_tower(self.image_view).tokens)

    def score(self, encodings: Encodings, texts: str) -> Float[Array, "batch labels"]:
        """Returns the cosines of images with the labels of the constant texts `texts`."""
        return unit(self(encodings).image) @ encodings.label_texts(texts).T

    def detect(self, encodings: Encodings, texts: str) -> Float[Array, "batch queries 4+labels"]:
        """Returns boxes, and behind them the cosine of each with each label of the constant texts `texts`."""
        found = self(encodings)
        scores = jnp.einsum("bqd,cd->bqc", unit(found.rows), encodings.label_texts(texts))
        return jnp.concatenate([found.boxes, scores], axis=-1)


class GroundedDescriptions(Objective):
    """CLIP's contrast of one query's row with the caption, boxes of the other queries, and each box's description.

    GRAIN (arXiv 2412.04429, section 3; its public code): a region matched with a box picks the description among all
    of the batch; matching costs L1 and GIoU of boxes.
    """

    parts = ("regions",)

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs):
        """Builds the queries.

        Args:
          config: `objectives.grounded_regions`; see configs/settings.
          model: for its widths.
          rngs: initial values.
        """
        self.chunk, self.patches = config.chunk, grid_side(model.image) ** 2
        self.regions = GroundedRegions(
            tower_size(config), config.queries, model=model, image_view=config.image_view, rngs=rngs
        )
        self.weights = (config.image_weight, config.box_weight, config.text_weight)
        self.fields = (config.image_view, "text", "text_mask", *TEXTS, *BOXES)
        self.raw = BOXES

    def flops(self) -> float:
        """Counts the queries' blocks and heads."""
        return float(self.regions.found.flops(self.patches))

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """Returns the weighted sum of the three means."""
        found, boxes = self.regions(encodings), encodings.batch["region_boxes"]
        there = encodings.batch["region_mask"]
        places = self.places(found.boxes, boxes, there)
        own = jnp.take_along_axis(found.boxes, places[..., None], axis=1)
        losses = {
            "image": self._images(found.image, encodings),
            "boxes": box_loss(own, boxes, there).mean(),
        }
        rows = jnp.take_along_axis(unit(found.rows), places[..., None], axis=1)
        texts = encodings.text("region_text")
        known = texts_known(encodings).reshape(-1)
        flat = (rows.reshape(-1, rows.shape[2]), texts.reshape(-1, texts.shape[2]))
        described, right = own_columns(*flat, encodings.logit_scale(), chunk=self.chunk, there=known)
        losses["texts"] = described.mean()
        total = sum(weight * loss for weight, loss in zip(self.weights, losses.values(), strict=True))
        fit = jnp.where(there, iou(own, boxes), 0.0).sum() / jnp.maximum(there.sum(), 1)
        metrics = {"described": right, "iou": jax.lax.stop_gradient(fit), **losses}
        return ObjectiveOutput(Loss(jnp.asarray(total), jnp.ones(())), metrics)

    def places(
        self,
        found: Float[Array, "batch queries 4"],
        boxes: Float[Array, "batch regions 4"],
        there: Bool[Array, "batch regions"],
    ) -> Array:
        """Returns the query of each region."""
        pairs = found[:, None], boxes[:, :, None]
        costs = jnp.abs(pairs[0] - pairs[1]).sum(axis=-1) - generalised_iou(*pairs)
        return matched(costs, there)

    def _images(self, rows: Float[Array, "batch embed_dim"], encodings: Encodings) -> Float[Array, ""]:
        both, scale = (unit(rows), encodings.text()), encodings.logit_scale()
        forth, back = (own_columns(*pair, scale, chunk=self.chunk)[0] for pair in (both, both[::-1]))
        return mix(forth, back, 0.5).mean()


def box_loss(
    found: Float[Array, "batch regions 4"],
    boxes: Float[Array, "batch regions 4"],
    there: Bool[Array, "batch regions"],
) -> Loss:
    """Returns the sum of the sides' distances and 1 - GIoU, over the boxes that are there."""
    losses = jnp.abs(found - boxes).sum(axis=-1) + 1.0 - generalised_iou(found, boxes)
    return Loss(jnp.where(there, losses, 0.0).sum(), there.sum(dtype=losses.dtype))
