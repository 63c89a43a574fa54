"""What objectives share whose targets come from a running mean of the image tower and of a head on it."""

from __future__ import annotations

from typing import Any

import jax
from jaxtyping import Array, Float

from vlp.encodings import Encodings
from vlp.kernels.unit import unit
from vlp.models.teacher import follow, teacher_of
from vlp.models.vision import VisionTransformer
from vlp.objectives.base import Objective
from vlp.objectives.self_distillation import cosine_to_one


class Followed(Objective):
    """Holds a teacher: the running mean of tower and head (mean teacher, arXiv 1703.01780; BYOL's schedule)."""

    head: Any

    def teach(self, config: Any, tower: VisionTransformer) -> None:
        """Makes the teacher a copy of the tower and of the head, which is there already.

        Args:
          config: `momentum` and `momentum_steps`.
          tower: of images.
        """
        self.teacher_tower, self.teacher_head = teacher_of(tower), teacher_of(self.head)
        self.momentum, self.momentum_steps = config.momentum, config.momentum_steps

    def idle(self, encodings: Encodings) -> None:
        """Keeps the teacher near the student, so that there is one when it is asked."""
        self.follow_student(encodings)

    def follow_student(self, encodings: Encodings) -> dict[str, Float[Array, ""]]:
        """Moves the teacher towards what the last update made of the student."""
        momentum = cosine_to_one(encodings.step, self.momentum, self.momentum_steps)
        follow(self.teacher_tower, encodings.model.image, momentum)
        follow(self.teacher_head, self.head, momentum)
        return {"momentum": momentum}

    def taught(self, encodings: Encodings, view: str) -> Float[Array, "*batch width"]:
        """Returns unit rows of the teacher's, constant to differentiation."""
        pooled = encodings.through(self.teacher_tower, view).pooled
        return jax.lax.stop_gradient(unit(self.teacher_head(pooled)))
