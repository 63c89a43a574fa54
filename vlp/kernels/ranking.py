"""The ranking kernel: positives ahead of negatives by a margin."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from vlp.kernels.loss import Loss
from vlp.kernels.precision import widen


def ranking(
    scores: Float[Array, "rows columns"],
    targets: Float[Array, "rows columns"],
    *,
    mask: Bool[Array, "#rows #columns"] | None = None,
    margin: float = 0.2,
    hardest: bool = False,
) -> Loss:
    """max(0, margin - positive + negative) over a row's negatives: their sum, or the largest (VSE++).

    VSE++ (arXiv 1707.05612, equations 5 and 6). With several positives the lowest has to be ahead.

    Args:
      scores: cosines, or scaled with the margin.
      targets: positive where a row and a column match.
      mask: which cells take part; all by default.
      margin: in units of the scores.
      hardest: counts only the highest negative of a row.

    Returns:
      The sum over rows with a positive, in float32 or wider, and the number of those rows.
    """
    scores, targets = widen(scores, targets)
    counts = jnp.broadcast_to(True if mask is None else mask, scores.shape)
    positives, negatives = counts & (targets > 0), counts & (targets <= 0)
    has_positive = positives.any(axis=1)
    lowest = jnp.where(has_positive, jnp.where(positives, scores, jnp.inf).min(axis=1), 0.0)
    violations = jnp.where(negatives, jnp.maximum(margin - lowest[:, None] + scores, 0.0), 0.0)
    losses = violations.max(axis=1, initial=0.0) if hardest else violations.sum(axis=1)
    return Loss(jnp.where(has_positive, losses, 0.0).sum(), has_positive.sum(dtype=scores.dtype))
