"""Attributes that few have looked at, asked of images and of their regions: OvarNet."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from vlp.encodings import Encodings
from vlp.given import Context
from vlp.kernels.distillation import kl_divergence, soft_targets
from vlp.kernels.federated import federated_sigmoid, rarity
from vlp.kernels.loss import Loss
from vlp.kernels.unit import unit
from vlp.models.dual_encoder import DualEncoder
from vlp.models.flops import FORWARDS_PER_STEP
from vlp.models.regions import region_samples, sample_flops
from vlp.objectives.base import CROPS, Objective, ObjectiveOutput, Remembered
from vlp.objectives.region_words import RegionRows
from vlp.objectives.regions import BOXES, grid_side
from vlp.objectives.tagging import TextQueries

ATTRIBUTES, CATEGORIES = 1.0, 2.0  # of the two divergences: twice 0.5 and 1 in the public code


class FederatedTags(Objective):
    """Attributes weigh by their rarity where they are known, a little, as denied, where not; regions learn from crops.

    OvarNet (arXiv 2301.09506; its public code). The first stage asks whole images. With `distil_weight`, its second: a
    head over the tower's grid says of each region what the tower itself makes of the region's crop, by softmaxes over
    the attributes and over the categories. With `model.text.context` labels have a learned context.
    """

    parts: tuple[str, ...] = ("scorer", "regions")

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs, context: Context):
        """Builds the scorer, and the head of regions where there is something to learn for it.

        Args:
          config: `objectives.federated_tags`; see configs/settings.
          model: for its widths.
          rngs: initial values.
          context: how many labels and texts there are.
        """
        number = context.asked_and_answered(config.texts, config.labels)
        self.scorer = TextQueries(scale=config.scale, bias=config.bias, image_view=config.image_view)
        self.counts = Remembered(jnp.zeros((number,), jnp.float32))
        self.labels, self.texts, self.categories = config.labels, config.texts, config.categories
        self.unknown, self.rarity = config.unknown_weight, config.rarity
        self.image_view, self.distil_weight = config.image_view, config.distil_weight
        self.regions = RegionRows(config, model=model, rngs=rngs) if config.distil_weight else None
        if self.regions is None:
            self.parts = ("scorer",)
        self.raw = (self.labels, *(BOXES if config.distil_weight else ()))
        self.fields = (self.image_view, *self.raw)
        self.copied = (CROPS,) if config.distil_weight else ()
        self.cells, self.patch_size = grid_side(model.image), getattr(model.image, "patch_size", 0)
        self.constants = (self.texts, *([self.categories] if config.distil_weight else []))

    def view_flops(self) -> dict[str, float]:
        """Counts the head of each region, and how its crop is cut, which the tower sees without a backward pass."""
        if self.regions is None:
            return {}
        side = self.cells * self.patch_size
        crop = sample_flops(side, side, 3) / FORWARDS_PER_STEP
        return {BOXES[0]: self.regions.head.flops(self.cells) + crop}

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """Returns the federated loss, and the divergence of regions from their crops beside it."""
        states = encodings.batch[self.labels]
        yes = (states > 0).sum(axis=0, dtype=jnp.float32)
        counts = self.counts[...] + yes
        self.counts[...] = counts
        scores = self.scorer.score(encodings, self.texts)
        weights = rarity(counts) if self.rarity else None
        losses = {"tags": federated_sigmoid(scores, states, weights=weights, unknown=self.unknown)}
        if self.regions is not None:
            losses["regions"] = self._distilled(self.regions, encodings)
        total = losses["tags"] + self.distil_weight * losses.get("regions", 0.0)
        found = ((scores > 0) & (states > 0)).sum() / jnp.maximum(yes.sum(), 1.0)
        metrics = {"found": found, "known": (states >= 0).mean(dtype=jnp.float32), **losses}
        return ObjectiveOutput(Loss(total, jnp.ones_like(total)), metrics)

    def _distilled(self, regions: RegionRows, encodings: Encodings) -> Float[Array, ""]:
        there = encodings.batch["region_mask"].reshape(-1)
        student = regions.rows(encodings, encodings.batch["region_boxes"])
        teacher = crop_rows(encodings, self.image_view)
        scale = jnp.exp(self.scorer.log_scale[...])
        total = jnp.zeros(())
        for texts, weight in ((self.texts, ATTRIBUTES), (self.categories, CATEGORIES)):
            labels = scale * encodings.label_texts(texts)
            said, taught = (rows.reshape(-1, rows.shape[-1]) @ labels.T for rows in (student, teacher))
            total += weight * distilled(said, taught, there)
        return total


def distilled(
    student: Float[Array, "rows labels"], teacher: Float[Array, "rows labels"], there: Int[Array, " rows"]
) -> Float[Array, ""]:
    """Returns the mean divergence of the student's softmax from the teacher's, which is not differentiated."""
    losses = kl_divergence(student, soft_targets(teacher))
    return jnp.where(there, losses, 0.0).sum() / jnp.maximum(there.sum(), 1)


def crop_rows(encodings: Encodings, view: str) -> Float[Array, "batch regions embed_dim"]:
    """Returns unit rows that the image tower makes of each region's crop, without gradient."""
    pixels, boxes = encodings.pixels(view), encodings.batch["region_boxes"]
    side = pixels.shape[1]
    crops = region_samples(pixels, boxes, side).reshape(-1, side, side, 3)
    graphdef, state = nnx.split((encodings.model.image, encodings.model.image_projection))
    tower, projection = nnx.merge(graphdef, jax.lax.stop_gradient(state))
    return unit(projection(tower(crops).pooled)).reshape(*boxes.shape[:2], -1)
