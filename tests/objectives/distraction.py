"""An objective of nobody's package but these tests': found by its kind, `distraction:Distraction`."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

from vlp.kernels.loss import Loss
from vlp.objectives.base import Objective, ObjectiveOutput


class Distraction(Objective):
    """Pulls image embeddings towards a learned vector, with noise: learns, rolls dice, reads the same encodings."""

    def __init__(self, config, *, model, rngs):
        self.fields = ("image",)
        self.centre = nnx.Param(jax.random.normal(rngs.params(), (16,)))

    def __call__(self, encodings):
        noise = jax.random.normal(encodings.key("distraction"), (16,))
        cosines = encodings.image() @ (self.centre[...] + noise)
        return ObjectiveOutput(Loss(-cosines.sum(), jnp.float32(len(cosines))), {"cosine": cosines.mean()})
