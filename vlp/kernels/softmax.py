"""The softmax kernel: cross-entropy over the columns with one, many or soft targets."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vlp.kernels.loss import Loss


def softmax(
    scores: Float[Array, "rows columns"],
    targets: Float[Array, "rows columns"],
    *,
    label_smoothing: float = 0.0,
) -> Loss:
    """Cross-entropy of each row's softmax with its targets: InfoNCE (arXiv 1807.03748) where the target is the pair.

    With several positives the mean over them stands outside the logarithm (SupCon's "out" form, arXiv 2004.11362,
    equation 2; UniCL). Rows without a positive weigh nothing.

    Args:
      scores: already scaled.
      targets: non-negative weights of what should match, of any row sum; rows are divided by their sums.
      label_smoothing: share of each row's target spread evenly over all columns (ALIGN uses 0.1).

    Returns:
      The sum over rows with a positive, in float32 or wider, and the number of those rows.
    """
    dtype = jnp.promote_types(scores.dtype, jnp.float32)
    scores, targets = scores.astype(dtype), targets.astype(dtype)
    mass = targets.sum(axis=1)
    has_positive = mass > 0
    weights = targets / jnp.where(has_positive, mass, 1.0)[:, None]
    log_normaliser = jax.nn.logsumexp(scores, axis=1)
    matched = (1.0 - label_smoothing) * (weights * scores).sum(axis=1) + label_smoothing * scores.mean(axis=1)
    losses = jnp.where(has_positive, log_normaliser - matched, 0.0)
    return Loss(losses.sum(), has_positive.sum(dtype=dtype))
