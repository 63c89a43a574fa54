"""The softmax kernel: cross-entropy over the columns with one, many or soft targets."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from vlp.kernels.log_sum_exp import across, log_sum_exp, sum_across
from vlp.kernels.loss import Loss
from vlp.kernels.precision import widen


def softmax(
    scores: Float[Array, "rows columns"],
    targets: Float[Array, "rows columns"],
    *,
    mask: Bool[Array, "#rows #columns"] | None = None,
    label_smoothing: float = 0.0,
    axis_name: str | None = None,
) -> Loss:
    """Cross-entropy of each row's softmax with its targets: InfoNCE (arXiv 1807.03748) where the target is the pair.

    With several positives the mean over them stands outside the logarithm (SupCon's "out" form, arXiv 2004.11362,
    equation 2; UniCL, arXiv 2204.03610). With a teacher's probabilities as targets it is distillation's
    cross-entropy (arXiv 1503.02531). Rows without a positive weigh nothing.

    Args:
      scores: already scaled.
      targets: non-negative weights of what should match, of any row sum; rows are divided by their sums.
      mask: which cells take part; all by default. The rest is in no sum at all: an example's likeness to itself
        among two views (NT-Xent), padding of a bank, classes that were not sampled.
      label_smoothing: share of each row's target spread evenly over the columns that take part (ALIGN uses 0.1).
      axis_name: of `shard_map`, where devices share out the columns; every device then gets the whole loss.

    Returns:
      The sum over rows with a positive, in float32 or wider, and the number of those rows.
    """
    scores, targets = widen(scores, targets)
    counts = jnp.broadcast_to(True if mask is None else mask, scores.shape)
    targets = jnp.where(counts, targets, 0.0)
    mass = sum_across(targets.sum(axis=1), axis_name)
    has_positive = mass > 0
    weights = targets / jnp.where(has_positive, mass, 1.0)[:, None]
    if label_smoothing:
        columns = jnp.maximum(sum_across(counts.sum(axis=1, dtype=scores.dtype), axis_name), 1.0)
        weights = (1.0 - label_smoothing) * weights + label_smoothing * counts / columns[:, None]
    state = across(log_sum_exp(scores, counts), axis_name)
    # Relative to the maximum: the difference of two large numbers would cost the digits of a small loss.
    relative = jnp.where(counts, scores, 0.0) - state.maximum[:, None]
    losses = state.log_total() - sum_across((weights * relative).sum(axis=1), axis_name)
    return Loss(jnp.where(has_positive, losses, 0.0).sum(), has_positive.sum(dtype=scores.dtype))
