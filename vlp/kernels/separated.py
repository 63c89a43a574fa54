"""Log-sum-exp kernels for many positives and many negatives a row, kept apart or compared pair by pair."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from vlp.kernels.log_sum_exp import AxisName, across, log_sum_exp
from vlp.kernels.loss import Loss


def separated(
    scores: Float[Array, "rows columns"],
    targets: Float[Array, "rows columns"],
    *,
    mask: Bool[Array, "#rows #columns"] | None = None,
    axis_name: AxisName = None,
) -> Loss:
    """Returns log(1 + sum over positives of exp(-score)) + log(1 + sum over negatives of exp(score)).

    Multi-label cluster discrimination (MLCD, arXiv 2407.17331) and ZLPR (arXiv 2208.02955):
    every positive is pushed above zero and every negative below, whatever the others do.

    Args:
      scores: already scaled, margins included.
      targets: positive where a row and a column match.
      mask: which cells take part; all by default. Columns that were not sampled take no part.
      axis_name: of `shard_map`, where devices share out the columns; every device then gets the whole loss.

    Returns:
      The sum over rows for which any cell takes part, in float32 or wider, and the number of those rows. A row without
      positives keeps its negative side.
    """
    positive, negative = separated_sides(scores, targets, mask=mask, axis_name=axis_name)
    return Loss(positive.total + negative.total, positive.weight)


def separated_sides(
    scores: Float[Array, "rows columns"],
    targets: Float[Array, "rows columns"],
    *,
    mask: Bool[Array, "#rows #columns"] | None = None,
    axis_name: AxisName = None,
) -> tuple[Loss, Loss]:
    """Returns the positive and the negative part of `separated`, which add up to it."""
    positive, negative = _sides(scores, targets, mask, axis_name)
    weight = _rows(positive, negative)
    return Loss(jax.nn.softplus(positive).sum(), weight), Loss(jax.nn.softplus(negative).sum(), weight)


def joint(
    scores: Float[Array, "rows columns"],
    targets: Float[Array, "rows columns"],
    *,
    mask: Bool[Array, "#rows #columns"] | None = None,
    axis_name: AxisName = None,
) -> Loss:
    """Returns log(1 + sum over all pairs of a positive p and a negative n of exp(score_n - score_p)).

    Only differences count: MLC, the loss MLCD is derived from (arXiv 2407.17331), and the circle loss
    (arXiv 2002.10857) on the scores of `margins.circle`. Arguments and result as for `separated`, except
    that a row without positives, or without negatives, has loss zero.
    """
    positive, negative = _sides(scores, targets, mask, axis_name)
    return Loss(jax.nn.softplus(positive + negative).sum(), _rows(positive, negative))


def _sides(
    scores: Float[Array, "rows columns"],
    targets: Float[Array, "rows columns"],
    mask: Bool[Array, "#rows #columns"] | None,
    axis_name: AxisName,
) -> tuple[Float[Array, " rows"], Float[Array, " rows"]]:
    """Log-sum-exp of the positives' negated scores and of the negatives' scores; minus infinity where there is none."""
    counts = jnp.broadcast_to(True if mask is None else mask, scores.shape)
    positive = across(log_sum_exp(-scores, counts & (targets > 0)), axis_name)
    negative = across(log_sum_exp(scores, counts & (targets <= 0)), axis_name)
    return positive.value(), negative.value()


def _rows(positive: Float[Array, " rows"], negative: Float[Array, " rows"]) -> Float[Array, ""]:
    return (jnp.isfinite(positive) | jnp.isfinite(negative)).sum(dtype=positive.dtype)
