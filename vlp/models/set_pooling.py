"""One row of a set of rows, in whatever order they come."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from vlp.models.compute import Compute
from vlp.models.linear import Linear, linear


class SetPool(nnx.Module):
    """A weighted mean of what a layer makes of each row, and a layer on top.

    The weights are equal (Deep Sets, arXiv 1703.06114), or learned, from a gated product (attention-based multiple
    instance learning, arXiv 1802.04712, equation 9).
    """

    def __init__(self, kind: str, width: int, hidden: int, *, compute: Compute, rngs: nnx.Rngs):
        """Builds the layers.

        Args:
          kind: 'mean' or 'attention'.
          width: of rows.
          hidden: of what is pooled, and of the set's row.
          compute: dtype of the products.
          rngs: where initial values come from.
        """

        def layer(inputs: int, outputs: int) -> Linear:
            return linear(inputs, outputs, std=inputs**-0.5, compute=compute, rngs=rngs)

        self.each, self.whole = layer(width, hidden), layer(hidden, hidden)
        gated = kind == "attention"
        self.sign: Linear | None = layer(hidden, hidden) if gated else None
        self.gate: Linear | None = layer(hidden, hidden) if gated else None
        self.weight: Linear | None = layer(hidden, 1) if gated else None

    def __call__(self, rows: Float[Array, "sets each width"]) -> Float[Array, "sets hidden"]:
        """Returns a row for each set."""
        made = jax.nn.relu(self.each(rows))
        if self.sign is None or self.gate is None or self.weight is None:
            return self.whole(made.mean(axis=1, dtype=jnp.float32))
        gated = jnp.tanh(self.sign(made)) * jax.nn.sigmoid(self.gate(made))
        shares = jax.nn.softmax(self.weight(gated).astype(jnp.float32), axis=1)
        return self.whole((shares * made).sum(axis=1))
