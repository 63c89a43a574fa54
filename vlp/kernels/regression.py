"""Regression kernels: rows of predictions against rows of targets, which carry no gradient."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from vlp.kernels.loss import Loss
from vlp.kernels.precision import widen
from vlp.kernels.unit import unit


def cosine_distance(
    predictions: Float[Array, "rows dim"],
    targets: Float[Array, "rows dim"],
    *,
    mask: Bool[Array, " rows"] | None = None,
) -> Loss:
    """Returns 1 - cosine of each row with its target (BYOL, arXiv 2006.07733, equation 2, halved).

    Args:
      predictions: of any length above zero; a row of zeros has cosine zero.
      targets: of any length.
      mask: which rows count; all by default.

    Returns:
      The sum over rows, in float32 or wider, and the number of rows.
    """
    predictions, targets = widen(predictions, targets)
    cosines = (unit(predictions) * unit(jax.lax.stop_gradient(targets))).sum(axis=1)
    return _over_rows(1.0 - cosines, mask)


def squared_error(
    predictions: Float[Array, "rows dim"],
    targets: Float[Array, "rows dim"],
    *,
    mask: Bool[Array, " rows"] | None = None,
) -> Loss:
    """Returns the mean over a row of its squared differences (masked autoencoders, arXiv 2111.06377); otherwise as
    above."""
    predictions, targets = widen(predictions, targets)
    return _over_rows(((predictions - jax.lax.stop_gradient(targets)) ** 2).mean(axis=1), mask)


def absolute_error(
    predictions: Float[Array, "rows dim"],
    targets: Float[Array, "rows dim"],
    *,
    mask: Bool[Array, " rows"] | None = None,
) -> Loss:
    """Returns the mean over a row of its absolute differences (SimMIM, arXiv 2111.09886); otherwise as above."""
    predictions, targets = widen(predictions, targets)
    return _over_rows(jnp.abs(predictions - jax.lax.stop_gradient(targets)).mean(axis=1), mask)


def _over_rows(losses: Float[Array, " rows"], mask: Bool[Array, " rows"] | None) -> Loss:
    counts = jnp.broadcast_to(True if mask is None else mask, losses.shape)
    return Loss(jnp.where(counts, losses, 0.0).sum(), counts.sum(dtype=losses.dtype))
