"""Whole crops, their patches and the two together: cross-level distillation for categories that differ in detail."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from vlp.encodings import Encodings
from vlp.kernels.distillation import cross_view_softmax, moving_centre, soft_targets
from vlp.kernels.loss import Loss
from vlp.kernels.unit import unit
from vlp.models.distillation_head import DistillationHead, cosines
from vlp.models.dual_encoder import DualEncoder
from vlp.models.flops import FORWARDS_PER_STEP, mlp_flops
from vlp.models.sharding import whole
from vlp.models.teacher import follow, teacher_of
from vlp.models.vision import TowerOutput
from vlp.objectives.base import ObjectiveOutput, Remembered
from vlp.objectives.self_distillation import SelfDistillation
from vlp.parallel.places import over_places


class CrossLevel(SelfDistillation):
    """Beside DINO's loss on crops each patch of a crop is held to the teacher's patch that is most like it, and all of
    them together, as a bag, to what the teacher says of the whole.

    CMD (Bi et al. 2024, arXiv 2401.08860), on EsViT's view and region losses (2106.09785), half of each. The public
    code gives probabilities and sums of scores to a divergence of logarithms; here the bag is what it is meant to be:
    the mean of the patches' probabilities, and cross-entropy with the teacher's of another view's whole.
    """

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs):
        """Builds the heads and the teacher.

        Args:
          config: `objectives.cross_level`: those of `self_distillation`, and `bag_weight`.
          model: whose image tower is the student.
          rngs: initial values.
        """
        super().__init__(config, model=model, rngs=rngs)
        self.region_head = DistillationHead(
            self.widths, config.prototypes, compute=model.image.compute, rngs=rngs
        )
        self.teacher_region_head = teacher_of(self.region_head)
        self.region_centre = Remembered(jnp.zeros((config.prototypes,), jnp.float32))
        self.bag_weight, self.patch_count = config.bag_weight, model.image.side**2

    def view_flops(self) -> Mapping[str, float]:
        """Counts beside DINO's the patches of the global crops, for the student and the teacher."""
        head = mlp_flops(self.widths) + 2 * math.prod(self.head.prototypes.shape)
        flops = dict(super().view_flops())
        flops[self.global_view] += self.patch_count * head * (1 + 1 / FORWARDS_PER_STEP)
        return flops

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """Returns the sum of the three losses; moves the teacher on first."""
        followed = self.follow_student(encodings)
        crops = [encodings.image_tower(view) for view in (self.global_view, self.local_view)]
        taught = encodings.through(self.teaching_tower(encodings), self.global_view)
        pooled = jnp.concatenate([one.pooled for one in crops], axis=1)
        targets = self.targets_of(taught.pooled, encodings.step)
        view_loss, metrics = self.between_crops(pooled, taught.pooled, encodings.step)
        regions = self.between_regions(crops, taught, encodings.step)
        bag = self.bags(crops, targets, encodings.step)
        losses = {"crop_loss": view_loss.mean(), "region_loss": regions, "bag_loss": bag}
        total = 0.5 * losses["crop_loss"] + 0.5 * regions + self.bag_weight * bag
        return ObjectiveOutput(Loss(total, jnp.ones_like(total)), {**metrics, **losses, **followed})

    def follow_student(self, encodings: Encodings) -> dict[str, Float[Array, ""]]:
        """Moves the patches' head on as well."""
        followed = super().follow_student(encodings)
        follow(self.teacher_region_head, self.region_head, followed["momentum"])
        return followed

    def targets_of(
        self, taught: Float[Array, "batch views width"], step: Int[Array, ""]
    ) -> Float[Array, "views batch prototypes"]:
        """Returns what the teacher says of whole crops, by the centre that it has now."""
        scores = self.teacher_head(taught).swapaxes(0, 1)
        return soft_targets(scores, temperature=self.sharpness(step), centre=self.centre[...])

    def between_regions(
        self, crops: list[TowerOutput], taught: TowerOutput, step: Int[Array, ""]
    ) -> Float[Array, ""]:
        """Returns the mean over pairs of a teacher's view and another crop, and over the crop's patches; moves the
        centre of patches on."""
        views = taught.tokens.shape[1]
        tokens = [one.tokens for one in crops]
        sizes = [one.shape[2] for one in tokens]
        students = [self.region_head.rows(one) for one in tokens]
        teachers, centre = self.teacher_region_head.rows(taught.tokens), self.region_centre[...]
        losses = []
        for view in range(views):
            others = [place for place in range(views) if place != view]
            rows = [students[0][:, place] for place in others]
            features = [tokens[0][:, place] for place in others]
            rows += [students[1][:, place] for place in range(tokens[1].shape[1])]
            features += [tokens[1][:, place] for place in range(tokens[1].shape[1])]
            counts = [sizes[0]] * len(others) + [sizes[1]] * tokens[1].shape[1]
            nearest = most_alike(jnp.concatenate(features, axis=1), taught.tokens[:, view])
            matched = jnp.take_along_axis(teachers[:, view], nearest[..., None], axis=1)
            fit = self._fit(jnp.concatenate(rows, axis=1), matched, centre, step)
            weights = jnp.concatenate([jnp.full(count, 1 / count) for count in counts]) / len(counts)
            losses.append((fit * weights).sum(axis=1).mean())
        mean = self._mean_scores(teachers)
        self.region_centre[...] = moving_centre(centre, mean[None], self.centre_momentum)
        return jnp.stack(losses).mean()

    def _fit(
        self, rows: Array, matched: Array, centre: Array, step: Int[Array, ""]
    ) -> Float[Array, "batch regions"]:
        """The cross-entropy of each region with its match."""
        places = rows.swapaxes(0, 1), matched.swapaxes(0, 1)
        return self.fit_places(places, self.region_head, self.teacher_region_head, centre, step).losses

    def _mean_scores(self, rows: Float[Array, "batch views regions width"]) -> Float[Array, " prototypes"]:
        """The mean of the teacher's scores over all patches, a place at a time."""
        places = rows.reshape(-1, *rows.shape[2:]).swapaxes(0, 1)
        columns = whole(self.teacher_region_head.columns())
        means = jax.lax.map(lambda one: cosines(one, columns).mean(axis=0), places)
        return jax.lax.stop_gradient(means.mean(axis=0))

    def bags(
        self,
        crops: list[TowerOutput],
        targets: Float[Array, "views batch prototypes"],
        step: Int[Array, ""] | int,
    ) -> Float[Array, ""]:
        """Returns the cross-entropy of the bags with the teacher's other whole views, as between crops."""
        bags = [self.bag(one.tokens, step).swapaxes(0, 1) for one in crops]
        return cross_view_softmax(jnp.log(jnp.concatenate(bags) + 1e-12), targets).mean()

    def bag(
        self, tokens: Float[Array, "batch views regions width"], step: Int[Array, ""] | int
    ) -> Float[Array, "batch views prototypes"]:
        """Returns the mean of the patches' probabilities, which sum to one."""

        def mean(places: Array, columns: Array) -> Array:
            @jax.checkpoint
            def likely(rows: Array) -> Array:
                return jax.nn.softmax(cosines(rows, columns) / self.temperature)

            def add(total: Array, rows: Array) -> tuple[Array, None]:
                return total + likely(rows), None

            return jax.lax.scan(add, likely(places[0]), places[1:])[0] / len(places)

        places = jnp.moveaxis(self.region_head.rows(tokens), 2, 0)
        return over_places(mean, places, self.region_head.columns(frozen=step < self.frozen_steps))


def most_alike(
    features: Float[Array, "batch regions width"], others: Float[Array, "batch candidates width"]
) -> Int[Array, "batch regions"]:
    """Finds for each region the candidate of the highest cosine."""
    cosines = jnp.einsum("brw,bcw->brc", unit(features), unit(others))
    return jax.lax.stop_gradient(cosines).argmax(axis=2)
