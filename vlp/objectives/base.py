"""What an objective is: it asks the encodings for what it needs and returns a loss and what its users watch."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

from flax import nnx
from jaxtyping import Array, Float

from vlp.encodings import Encodings
from vlp.kernels.loss import Loss


class ObjectiveOutput(NamedTuple):
    """One objective's contribution to a step.

    Attributes:
      loss: its loss, not yet weighted against other objectives.
      metrics: float32 scalars by name, logged as `objective/name`.
    """

    loss: Loss
    metrics: dict[str, Float[Array, ""]]


class Objective(nnx.Module):
    """A scorer, a target rule and a kernel under one name.

    Learned parts are `nnx.Param`s of the module, other state its own `nnx.Variable` types: both are then sharded,
    saved and restored like the towers' own.

    Attributes:
      fields: the batch fields it reads; checked against the data before any device is touched.
    """

    fields: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: Any, *, rngs: nnx.Rngs):
        """Takes its settings from `objectives.<name>` of the config, and initial values of its own from `rngs`."""
        raise TypeError(f"{type(self).__name__} does not say what it is made of")

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """Computes the loss of one batch."""
        raise TypeError(f"{type(self).__name__} does not say how to compute its loss")
