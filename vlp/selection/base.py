"""What a selector is: it looks at a batch without learning from it, and says which rows are trained on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray, Shaped

from vlp.encodings import Encodings
from vlp.given import FROZEN, TEXTS
from vlp.models.sharding import constrain_batch


class Selected(NamedTuple):
    """Holds what a selector chose.

    Attributes:
      rows: their places in the batch, each once.
      metrics: float32 scalars by name, logged as `selection/name`.
    """

    rows: Int[Array, " kept"]
    metrics: dict[str, Float[Array, ""]]


class Selector(nnx.Module):
    """Chooses rows of a batch in the step, by a function of the weights, the batch and the step's key.

    It learns nothing and remembers nothing, so that a run which goes on chooses as one that was not interrupted.

    Attributes:
      fields: the batch fields that it reads, as an objective's; NAME/field through the frozen model NAME.
      rows: how many it chooses.
    """

    fields: tuple[str, ...]
    rows: int

    def __init__(self, config: Any, *, name: str, rows: int):
        """Reads its settings.

        Args:
          config: its settings, `selection.<name>` of the config.
          name: of the entry.
          rows: to choose.
        """
        raise TypeError(f"{type(self).__name__} does not say what it reads")

    def flops(self) -> float:
        """Returns forward FLOPs of one example beside those of the towers; 0 = not worth counting."""
        return 0.0

    def __call__(self, encodings: Encodings, key: PRNGKeyArray) -> Selected:
        """Chooses; nothing of it is differentiated, and the encodings are as an evaluation's."""
        raise TypeError(f"{type(self).__name__} does not say how to choose")


def taken(
    batch: Mapping[str, Shaped[Array, "batch ..."]], rows: Int[Array, " kept"]
) -> dict[str, Shaped[Array, "kept ..."]]:
    """Returns the chosen rows of all fields; what stands beside the batch stays as it is."""
    beside = (FROZEN, TEXTS)
    return {
        name: value if name.startswith(beside) else constrain_batch(jnp.take(value, rows, axis=0))
        for name, value in batch.items()
    }
