"""Self-distillation from whole images to parts of them: DINO, which RS-M-CLIP puts beside CLIP."""

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
from vlp.kernels.patches import PatchFit, patch_fit
from vlp.kernels.sinkhorn import sinkhorn_centre
from vlp.kernels.unit import unit
from vlp.models.distillation_head import DistillationHead, cosines
from vlp.models.dual_encoder import DualEncoder
from vlp.models.flops import FORWARDS_PER_STEP, mlp_flops
from vlp.models.teacher import follow, held, teacher_of
from vlp.objectives.base import Objective, ObjectiveOutput, Remembered
from vlp.parallel.places import over_places


class SelfDistillation(Objective):
    """Every crop of an image has to give the scores that a teacher gives the image's other, global crops.

    DINO (arXiv 2104.14294, section 3.1): the teacher is the running mean of image tower and head. Centring its scores
    and sharpening them keep each other from collapse, to which entropy and divergence both going to zero, or the
    entropy to its maximum, is what to watch.
    """

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs):
        """Builds the head, and the teacher as a copy of tower and head.

        Args:
          config: `objectives.self_distillation`; see configs/base.py.
          model: whose image tower is the student.
          rngs: initial values of the head.
        """
        tower = model.image
        self.widths = widths = (
            tower.width,
            config.hidden_width,
            config.hidden_width,
            config.bottleneck_width,
        )
        self.head = DistillationHead(widths, config.prototypes, compute=tower.compute, rngs=rngs)
        self.teacher_head = teacher_of(self.head)
        self.teacher_tower = teacher_of(tower) if config.teacher == "running_mean" else None
        self.centre = Remembered(jnp.zeros((config.prototypes,), jnp.float32))
        self.centring = config.centring
        self.temperature, self.centre_momentum = config.temperature, config.centre_momentum
        self.momentum, self.momentum_steps = config.momentum, config.momentum_steps
        self.teacher_temperature, self.first_temperature = (
            config.teacher_temperature,
            config.first_temperature,
        )
        self.temperature_steps, self.frozen_steps = config.temperature_steps, config.frozen_steps
        self.copied = (config.global_view,)
        self.global_view, self.local_view = self.fields = (config.global_view, config.local_view)

    def view_flops(self) -> Mapping[str, float]:
        """Counts the head of each crop, and of a global one the teacher's too, which has no backward pass."""
        head = mlp_flops(self.widths) + 2 * math.prod(self.head.prototypes.shape)
        return {self.global_view: head * (1 + 1 / FORWARDS_PER_STEP), self.local_view: head}

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """Returns the mean over images and over all pairs of a crop and another, global one; moves the teacher on
        first."""
        followed = self.follow_student(encodings)
        crops = [encodings.image_tower(view).pooled for view in (self.global_view, self.local_view)]
        taught = encodings.through(self.teaching_tower(encodings), self.global_view).pooled
        loss, metrics = self.between_crops(jnp.concatenate(crops, axis=1), taught, encodings.step)
        return ObjectiveOutput(loss, metrics | followed)

    def idle(self, encodings: Encodings) -> None:
        """Keeps the teacher near the student, so that there is one when it is asked."""
        self.follow_student(encodings)

    def follow_student(self, encodings: Encodings) -> dict[str, Float[Array, ""]]:
        """Moves the teacher towards what the last update made of the student, before it is asked for anything."""
        momentum = cosine_to_one(encodings.step, self.momentum, self.momentum_steps)
        if self.teacher_tower is not None:
            follow(self.teacher_tower, encodings.model.image, momentum)
        follow(self.teacher_head, self.head, momentum)
        return {"momentum": momentum}

    def teaching_tower(self, encodings: Encodings) -> Any:
        """Returns the tower that the teacher's head stands on."""
        return held(encodings.model.image) if self.teacher_tower is None else self.teacher_tower

    def sharpness(self, step: Int[Array, ""]) -> Float[Array, ""]:
        """Returns the temperature of the teacher."""
        return linear_to(step, self.first_temperature, self.teacher_temperature, self.temperature_steps)

    def between_crops(
        self,
        crops: Float[Array, "batch views width"],
        taught: Float[Array, "batch global_views width"],
        step: Int[Array, ""],
    ) -> tuple[Loss, dict[str, Float[Array, ""]]]:
        """Returns the loss of crops, the global ones first, by what the teacher made of the global ones."""
        scores = self.head(crops, frozen=step < self.frozen_steps).swapaxes(0, 1)
        teacher_scores = self.teacher_head(taught).swapaxes(0, 1)
        sharpness, centre = self.sharpness(step), self.centre[...]
        if self.centring == "sinkhorn":
            centre = sinkhorn_centre(teacher_scores.reshape(-1, scores.shape[-1]), temperature=sharpness)
        targets = soft_targets(teacher_scores, temperature=sharpness, centre=centre)
        self.centre[...] = moving_centre(self.centre[...], teacher_scores, self.centre_momentum)
        loss = cross_view_softmax(scores / self.temperature, targets)
        entropy = -jax.scipy.special.xlogy(targets, targets).sum(axis=-1).mean()
        return loss, {
            "teacher_entropy": entropy,
            "divergence": loss.mean() - entropy,  # Kullback-Leibler, of the student from the teacher
            "centre_norm": jnp.linalg.norm(self.centre[...]),
            **spread(taught),
        }

    def fit_places(
        self,
        places: tuple[Float[Array, "places rows bottleneck"], Float[Array, "places rows bottleneck"]],
        head: DistillationHead,
        teacher_head: DistillationHead,
        centre: Float[Array, " prototypes"],
        step: Int[Array, ""],
    ) -> PatchFit:
        """Returns how well the student's rows are predicted by the teacher's, whose scores are there a place at a time.

        Args:
          places: rows of both, as their heads give them.
          head: the student's.
          teacher_head: the teacher's.
          centre: of the teacher's scores.
          step: for the teacher's temperature, and whether the student's prototypes are held.
        """
        own, known = head.columns(frozen=step < self.frozen_steps), teacher_head.columns()

        def fit(places: tuple[Array, Array], tables: tuple[Array, Array, Array, Array]) -> PatchFit:
            own, known, centre, sharpness = tables
            return patch_fit(
                lambda rows: cosines(rows, own) / self.temperature,
                lambda rows: soft_targets(cosines(rows, known), temperature=sharpness, centre=centre),
                places,
            )

        fitted: PatchFit = over_places(fit, places, (own, known, centre, self.sharpness(step)))
        return fitted


def spread(features: Float[Array, "*batch width"]) -> dict[str, Float[Array, ""]]:
    """Measures collapse of unit rows: the mean deviation of a dimension, times the square root of the width (1 = as on
    a sphere; SimSiam, arXiv 2011.10566), and the effective rank of order two, (tr C)^2 / tr C^2 of their
    covariance."""
    rows = unit(jax.lax.stop_gradient(features)).reshape(-1, features.shape[-1])
    rows = rows - rows.mean(axis=0)
    covariance = rows.T @ rows / len(rows)
    deviation = jnp.sqrt(jnp.diagonal(covariance)).mean() * math.sqrt(rows.shape[1])
    rank = jnp.trace(covariance) ** 2 / jnp.maximum((covariance**2).sum(), 1e-12)
    return {"feature_deviation": deviation, "effective_rank": rank}


def cosine_to_one(step: Int[Array, ""], first: float, steps: int) -> Float[Array, ""]:
    """Rises from `first` to 1 along half a cosine over so many steps (BYOL, arXiv 2006.07733, section 3.3); 0 =
    stays."""
    progress = jnp.minimum(step / steps, 1.0) if steps else jnp.float32(0.0)
    return 1.0 - (1.0 - first) * 0.5 * (1.0 + jnp.cos(jnp.pi * progress))


def linear_to(step: Int[Array, ""], first: float, last: float, steps: int) -> Float[Array, ""]:
    """Goes from `first` to `last` in a straight line over so many steps; 0 = `last` at once."""
    progress = jnp.minimum(step / steps, 1.0) if steps else jnp.float32(1.0)
    return first + (last - first) * progress
