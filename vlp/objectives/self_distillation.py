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
from vlp.models.distillation_head import DistillationHead
from vlp.models.dual_encoder import DualEncoder
from vlp.models.flops import FORWARDS_PER_STEP, mlp_flops
from vlp.models.teacher import follow, teacher_of
from vlp.objectives.base import Objective, ObjectiveOutput, Remembered


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
        self.teacher_tower, self.teacher_head = teacher_of(tower), teacher_of(self.head)
        self.centre = Remembered(jnp.zeros((config.prototypes,), jnp.float32))
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
        step = encodings.step
        momentum = cosine_to_one(step, self.momentum, self.momentum_steps)
        # What the last update made of the student is what the teacher follows, before it is asked for anything.
        follow(self.teacher_tower, encodings.model.image, momentum)
        follow(self.teacher_head, self.head, momentum)
        crops = [encodings.image_tower(view).pooled for view in (self.global_view, self.local_view)]
        frozen = step < self.frozen_steps
        scores = self.head(jnp.concatenate(crops, axis=1), frozen=frozen).swapaxes(0, 1)
        teacher_tower = encodings.through(self.teacher_tower, self.global_view)
        teacher_scores = self.teacher_head(teacher_tower.pooled).swapaxes(0, 1)
        sharpness = linear_to(step, self.first_temperature, self.teacher_temperature, self.temperature_steps)
        targets = soft_targets(teacher_scores, temperature=sharpness, centre=self.centre[...])
        self.centre[...] = moving_centre(self.centre[...], teacher_scores, self.centre_momentum)
        loss = cross_view_softmax(scores / self.temperature, targets)
        entropy = -jax.scipy.special.xlogy(targets, targets).sum(axis=-1).mean()
        return ObjectiveOutput(
            loss,
            {
                "teacher_entropy": entropy,
                "divergence": loss.mean() - entropy,  # Kullback-Leibler, of the student from the teacher
                "centre_norm": jnp.linalg.norm(self.centre[...]),
                "momentum": momentum,
            },
        )


def cosine_to_one(step: Int[Array, ""], first: float, steps: int) -> Float[Array, ""]:
    """Rises from `first` to 1 along half a cosine over so many steps (BYOL, arXiv 2006.07733, section 3.3); 0 =
    stays."""
    progress = jnp.minimum(step / steps, 1.0) if steps else jnp.float32(0.0)
    return 1.0 - (1.0 - first) * 0.5 * (1.0 + jnp.cos(jnp.pi * progress))


def linear_to(step: Int[Array, ""], first: float, last: float, steps: int) -> Float[Array, ""]:
    """Goes from `first` to `last` in a straight line over so many steps; 0 = `last` at once."""
    progress = jnp.minimum(step / steps, 1.0) if steps else jnp.float32(1.0)
    return first + (last - first) * progress
