"""Labels that somebody has confirmed, denied, or never looked at: what each of the three costs."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from vlp.kernels.precision import widen

POWER = 0.2  # of a label's count, by which it weighs less


def rarity(counts: Float[Array, " labels"]) -> Float[Array, " labels"]:
    """Returns weights of labels that fall with the power 0.2 of their counts and are 1 in the mean (OvarNet, arXiv
    2301.09506)."""
    weights = jnp.maximum(counts, 1.0) ** -POWER
    return weights * (len(weights) / weights.sum())


def federated_sigmoid(
    scores: Float[Array, "rows labels"],
    states: Int[Array, "rows labels"],
    *,
    weights: Float[Array, " labels"] | None = None,
    unknown: float = 0.0,
) -> Float[Array, ""]:
    """Returns the mean cross-entropy of the known cells, and so much of that of the unknown ones, taken for denied.

    OvarNet's (arXiv 2301.09506; its public code): weights multiply the known cells alone, whose sum is divided by
    their number.

    Args:
      scores: log-odds.
      states: 1 = there, 0 = not there, -1 = nobody knows.
      weights: of labels; all 1 by default.
      unknown: weight of the second mean; with 0 unknown cells have no gradient at all.
    """
    (scores,) = widen(scores)
    known, yes = states >= 0, states > 0
    cells = jnp.where(yes, jax.nn.softplus(-scores), jax.nn.softplus(scores))
    weighted = cells if weights is None else cells * weights
    total = _mean(weighted, known)
    return total + unknown * _mean(cells, ~known) if unknown else total


def _mean(cells: Array, where: Array) -> Float[Array, ""]:
    return jnp.where(where, cells, 0.0).sum() / jnp.maximum(where.sum(dtype=cells.dtype), 1.0)
