"""Scorers: the rows, the columns and the scale that make a score matrix."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float


def one_by_one(embeddings: Float[Array, "batch *count width"]) -> Float[Array, "count batch width"]:
    """Returns the views of a batch one after the other, of which there may be several an example."""
    return embeddings.reshape(len(embeddings), -1, embeddings.shape[-1]).swapaxes(0, 1)


class Scores(NamedTuple):
    """A score matrix by its factors, so that a kernel may form it in pieces.

    Attributes:
      rows: unit vectors.
      columns: unit vectors of the same space.
      scale: multiplies the cosines.
      bias: is added to them then.
    """

    rows: Float[Array, "rows dim"]
    columns: Float[Array, "columns dim"]
    scale: Float[Array, ""]
    bias: Float[Array, ""]

    def cosines(self) -> Float[Array, "rows columns"]:
        """Returns the unscaled matrix, in float32 or wider."""
        dtype = jnp.promote_types(self.rows.dtype, jnp.float32)
        return jnp.matmul(self.rows, self.columns.T, preferred_element_type=dtype)

    def logits(self) -> Float[Array, "rows columns"]:
        """Returns the matrix a kernel reads."""
        return self.scale * self.cosines() + self.bias
