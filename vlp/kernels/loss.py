"""What every kernel returns: a sum and the weight it was summed over."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float


class Loss(NamedTuple):
    """A weighted sum of per-row losses and the rows' total weight.

    Keeping the two apart makes means over masks, hosts and micro-batches exact: divide once, at the very end.
    """

    total: Float[Array, ""]
    weight: Float[Array, ""]

    def mean(self) -> Float[Array, ""]:
        """Returns the loss for one unit of weight; zero where there is none."""
        return self.total / jnp.where(self.weight > 0, self.weight, 1.0)
