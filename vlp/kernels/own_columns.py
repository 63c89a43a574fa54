"""Rows that have to pick their own column among many, a block of rows at a time."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from vlp.kernels.loss import Loss
from vlp.kernels.softmax import softmax


def own_columns(
    rows: Float[Array, "rows dim"],
    columns: Float[Array, "rows dim"],
    there: Bool[Array, " rows"],
    scale: Float[Array, ""] | float,
    *,
    chunk: int = 0,
) -> tuple[Loss, Float[Array, ""]]:
    """Returns the cross-entropy of row i with column i among all columns that are there, and the share that is right.

    GRAIN's contrast of regions with descriptions (public code, WordContrastiveLoss): one direction.

    Args:
      rows: unit vectors.
      columns: unit vectors.
      there: which pairs are; the others are in no sum.
      scale: of cosines.
      chunk: rows whose scores exist at a time, forward and backward; 0 = all.
    """
    count, each = len(rows), chunk or len(rows)
    pieces = -(-count // each)
    places = jnp.arange(pieces * each).reshape(pieces, each)

    @jax.checkpoint
    def piece(own: Array) -> tuple[Loss, Float[Array, ""]]:
        inside = own < count
        known = inside & there[jnp.minimum(own, count - 1)]
        scores = scale * rows[jnp.minimum(own, count - 1)] @ columns.T
        scores = jnp.where(there, scores, jnp.finfo(scores.dtype).min)
        targets = ((jnp.arange(count) == own[:, None]) & known[:, None]).astype(scores.dtype)
        hits = (scores.argmax(axis=1) == own) & known
        return softmax(scores, targets, mask=there[None]), hits.sum(dtype=scores.dtype)

    losses, hits = jax.lax.map(piece, places)
    total = Loss(losses.total.sum(), losses.weight.sum())
    return total, hits.sum() / jnp.maximum(total.weight, 1.0)
