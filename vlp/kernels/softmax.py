"""Softmax kernels: what a row's softmax over the columns should be, and how far from it that is."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from vlp.kernels.log_sum_exp import AxisName, across, log_sum_exp, sum_across
from vlp.kernels.loss import Loss
from vlp.kernels.precision import widen


def softmax(
    scores: Float[Array, "rows columns"],
    targets: Float[Array, "rows columns"],
    *,
    mask: Bool[Array, "#rows #columns"] | None = None,
    label_smoothing: float = 0.0,
    axis_name: AxisName = None,
) -> Loss:
    """Returns the cross-entropy of each row's softmax with its targets: InfoNCE (1807.03748) where that is the pair.

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


def softmax_at(scores: Float[Array, "rows columns"], places: Int[Array, " rows"]) -> Float[Array, " rows"]:
    """Returns the cross-entropy of each row's softmax with one column of its own: InfoNCE of a part of the rows.

    Args:
      scores: already scaled.
      places: of the columns.
    """
    (scores,) = widen(scores)
    state, own = log_sum_exp(scores), jnp.take_along_axis(scores, places[:, None], axis=1)[:, 0]
    return state.log_total() - (own - state.maximum)


def softmax_in(
    scores: Float[Array, "rows columns"],
    targets: Float[Array, "rows columns"],
    *,
    mask: Bool[Array, "#rows #columns"] | None = None,
    axis_name: AxisName = None,
) -> Loss:
    """Returns -log of the probability that each row's softmax gives to all of its positives together.

    SupCon's "in" form without its constant (arXiv 2004.11362, equation 3) and MIL-NCE (arXiv 1912.06430, equation 2):
    one positive that is found is enough. With one positive a row it is `softmax`, whose arguments and result it has.
    """
    scores, targets = widen(scores, targets)
    counts = jnp.broadcast_to(True if mask is None else mask, scores.shape)
    everything = across(log_sum_exp(scores, counts), axis_name)
    positive = across(log_sum_exp(scores, counts & (targets > 0)), axis_name)
    has_positive = positive.total > 0
    # Both relative to their own maximum, which differ little where the loss is small.
    losses = everything.log_total() - positive.log_total() + (everything.maximum - positive.maximum)
    return Loss(jnp.where(has_positive, losses, 0.0).sum(), has_positive.sum(dtype=scores.dtype))


def reverse_softmax(
    scores: Float[Array, "rows columns"],
    targets: Float[Array, "rows columns"],
    *,
    mask: Bool[Array, "#rows #columns"] | None = None,
    epsilon: float = 1e-8,
    axis_name: AxisName = None,
) -> Loss:
    """Returns the KL divergence of each row's softmax p from its targets q: the sum over columns of p (log p - log(q +
    epsilon)).

    The other way round than `softmax`, so that probability on a column that does not match costs log(1 / epsilon): CMPM
    (Zhang and Lu 2018, Deep Cross-Modal Projection Learning, equation 5), whose code divides q by its length and not by
    its sum. Arguments and result are those of `softmax`.
    """
    scores, targets = widen(scores, targets)
    counts = jnp.broadcast_to(True if mask is None else mask, scores.shape)
    targets = jnp.where(counts, targets, 0.0)
    mass = sum_across(targets.sum(axis=1), axis_name)
    has_positive = mass > 0
    wanted = jnp.log(targets / jnp.where(has_positive, mass, 1.0)[:, None] + epsilon)
    state = across(log_sum_exp(scores, counts), axis_name)
    likely = jnp.where(counts, scores, 0.0) - state.maximum[:, None] - state.log_total()[:, None]
    cells = jnp.where(counts, jnp.exp(likely) * (likely - wanted), 0.0)
    losses = sum_across(cells.sum(axis=1), axis_name)
    return Loss(jnp.where(has_positive, losses, 0.0).sum(), has_positive.sum(dtype=scores.dtype))
