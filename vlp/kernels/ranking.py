"""The ranking kernel: positives ahead of negatives by a margin."""

from __future__ import annotations

from collections.abc import Callable

import jax
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
    every_positive: bool = False,
) -> Loss:
    """Returns max(0, margin - positive + negative) over a row's negatives: their sum, or the largest (VSE++).

    VSE++ (arXiv 1707.05612, equations 5 and 6).

    Args:
      scores: cosines, or scaled with the margin.
      targets: positive where a row and a column match.
      mask: which cells take part; all by default.
      margin: in units of the scores.
      hardest: counts only the highest negative of a row.
      every_positive: of several positives each has to be ahead, and what they lack is added up, as the authors do for
        the captions of an image; otherwise only the lowest is asked. Of one positive both are the same.

    Returns:
      The sum over rows with a positive, in float32 or wider, and the number of those rows.
    """
    scores, targets = widen(scores, targets)
    counts = jnp.broadcast_to(True if mask is None else mask, scores.shape)
    positives, negatives = counts & (targets > 0), counts & (targets <= 0)
    has_positive = positives.any(axis=1)

    def behind(positive: Float[Array, " rows"]) -> Float[Array, " rows"]:
        violations = jnp.where(negatives, jnp.maximum(margin - positive[:, None] + scores, 0.0), 0.0)
        return violations.max(axis=1) if hardest else violations.sum(axis=1)

    if every_positive:
        losses = _over_positives(behind, scores, positives)
    else:
        losses = behind(jnp.where(has_positive, jnp.where(positives, scores, jnp.inf).min(axis=1), 0.0))
    return Loss(jnp.where(has_positive, losses, 0.0).sum(), has_positive.sum(dtype=scores.dtype))


def _over_positives(
    behind: Callable[[Float[Array, " rows"]], Float[Array, " rows"]],
    scores: Float[Array, "rows columns"],
    positives: Bool[Array, "rows columns"],
) -> Float[Array, " rows"]:
    """The sum over a row's positives, a column at a time: one matrix exists, and no cube."""

    @jax.checkpoint
    def add(total: Float[Array, " rows"], column: tuple[Array, Array]) -> tuple[Float[Array, " rows"], None]:
        score, is_positive = column
        return total + jnp.where(is_positive, behind(score), 0.0), None

    start = jnp.zeros_like(scores[:, 0])
    return jax.lax.scan(add, start, (jnp.where(positives, scores, 0.0).T, positives.T))[0]
