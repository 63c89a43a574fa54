"""What was seen in the last steps: rows that are remembered, the oldest replaced first."""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Shaped

from vlp.objectives.base import Remembered


class Bank(nnx.Module):
    """Arrays of as many rows, of which each step replaces a batch (the queue of MoCo, arXiv 1911.05722).

    Global arrays like all others: on any mesh, and after a restart, they hold the same.
    """

    def __init__(self, initial: Mapping[str, Shaped[Array, "size ..."]]):
        """Begins with what is given.

        Args:
          initial: arrays by name; their rows are a multiple of every batch.
        """
        self.held = nnx.Dict({name: Remembered(rows) for name, rows in initial.items()})
        self.place = Remembered(jnp.zeros((), jnp.int32))

    def __getitem__(self, name: str) -> Shaped[Array, "size ..."]:
        """Returns the rows of an array, in no particular order."""
        return self.held[name][...]

    def push(self, **rows: Shaped[Array, "batch ..."]) -> None:
        """Puts a batch in the place of the oldest rows; it is a constant to differentiation."""
        for name, new in rows.items():
            known = self.held[name]
            new = jax.lax.stop_gradient(new).astype(known[...].dtype)
            known[...] = jax.lax.dynamic_update_slice_in_dim(known[...], new, self.place[...], 0)
        batch, size = len(next(iter(rows.values()))), len(next(iter(self.held.values()))[...])
        self.place[...] = (self.place[...] + batch) % size
