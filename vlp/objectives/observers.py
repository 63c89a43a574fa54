"""Labels of several observers who do not agree: whom a classifier of whole images learns from."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Int, PRNGKeyArray

from vlp.encodings import Encodings
from vlp.given import Context
from vlp.kernels.sigmoid import sigmoid
from vlp.models.dual_encoder import DualEncoder
from vlp.objectives.base import Objective, ObjectiveOutput
from vlp.objectives.tagging import TextQueries
from vlp.randomness import fold_in_name

RULES = ("random", "majority", "mixed")


class Observers(Objective):
    """Labels asked of images by their texts, answered by an observer drawn anew each time, by the majority, or by one
    or the other.

    The label sampling of Development and evaluation of intraoperative ultrasound segmentation (2024), whose classifier
    of frames is the gate before its segmentation: `evaluators.segmentation.gate`.
    """

    parts = ("scorer",)

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs, context: Context):
        """Builds the scorer.

        Args:
          config: `objectives.observers`; see configs/settings.
          model: unused, as is `rngs`.
          rngs: unused.
          context: how many labels and texts there are.
        """
        del model, rngs
        for labels in config.observers:
            context.asked_and_answered(config.texts, labels)
        self.scorer = TextQueries(scale=config.scale, bias=config.bias, image_view=config.image_view)
        self.observers, self.rule, self.texts = tuple(config.observers), config.rule, config.texts
        self.raw = self.observers
        self.fields, self.constants = (config.image_view, *self.observers), (self.texts,)

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """Returns the mean over images of the sum over labels."""
        states = jnp.stack([encodings.batch[name] for name in self.observers], axis=1)
        answers = sampled(states, self.rule, encodings.key("/".join(self.observers)))
        scores, known = self.scorer.score(encodings, self.texts), answers >= 0
        loss = sigmoid(scores, (answers > 0).astype(jnp.float32), mask=known)
        agreed = (states == states[:, :1]).all(axis=1).mean(dtype=jnp.float32)
        return ObjectiveOutput(loss, {"agreed": agreed})


def sampled(
    states: Int[Array, "batch observers labels"], rule: str, key: PRNGKeyArray
) -> Int[Array, "batch labels"]:
    """Returns what is taken for true of each image.

    Args:
      states: what each observer says: 1, 0, or -1 where they do not.
      rule: random = one observer's, majority = what more say than deny, unknown where equally many do, mixed = one or
        the other with equal chances.
      key: randomness.
    """
    pick = jax.random.randint(fold_in_name(key, "observer"), (len(states),), 0, states.shape[1])
    one = jnp.take_along_axis(states, pick[:, None, None], axis=1)[:, 0]
    if rule == "random":
        return one
    votes = (states > 0).sum(axis=1) - (states == 0).sum(axis=1)
    most = jnp.where(votes == 0, -1, (votes > 0).astype(states.dtype)).astype(states.dtype)
    if rule == "majority":
        return most
    chosen: Bool[Array, " batch"] = jax.random.bernoulli(fold_in_name(key, "rule"), shape=(len(states),))
    return jnp.where(chosen[:, None], one, most)
