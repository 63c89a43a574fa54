"""Sinkhorn-Knopp: targets that use all columns alike (SwAV, arXiv 2006.09882, section 3.1; DINOv2, 2304.07193)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from vlp.kernels.precision import widen

ROUNDS = 3


def sinkhorn_centre(
    scores: Float[Array, "rows columns"], *, temperature: float | Float[Array, ""], rounds: int = ROUNDS
) -> Float[Array, " columns"]:
    """Returns what to take from the scores so that their softmax is Sinkhorn-Knopp's assignment.

    Each round makes the columns' totals equal, then the rows'; the last round's rows are `soft_targets` with this
    centre, which sum to one exactly.

    Args:
      scores: the teacher's, of all rows that are assigned together.
      temperature: that they are divided by.
      rounds: how often.
    """
    everyone = jnp.ones((1, len(scores)), bool)
    return sinkhorn_centre_of(
        lambda rows: rows, scores[None], everyone, temperature=temperature, rounds=rounds
    )


def sinkhorn_centre_of(
    score: Callable[[Any], Float[Array, "rows columns"]],
    places: Any,
    counts: Bool[Array, "places rows"],
    *,
    temperature: float | Float[Array, ""],
    rounds: int = ROUNDS,
) -> Float[Array, " columns"]:
    """Returns the same of scores that are never there together: those of one place at a time, anew in each round.

    Args:
      score: gives the scores of a place.
      places: arrays [places, ...] that `score` takes one of.
      counts: which rows of a place are assigned.
      temperature: that scores are divided by.
      rounds: how often.
    """

    def columns(potential: Float[Array, " columns"] | float, first: bool) -> Float[Array, " columns"]:
        def one(place: Any) -> Float[Array, " columns"]:
            (scores,) = widen(jax.lax.stop_gradient(score(place[0])))
            scores = scores / temperature
            rows = 0.0 if first else -jax.nn.logsumexp(scores + potential, axis=1, keepdims=True)
            return jax.nn.logsumexp(jnp.where(place[1][:, None], scores + rows, -jnp.inf), axis=0)

        whole = jax.nn.logsumexp(jax.lax.map(one, (places, counts)), axis=0)
        return -jnp.where(jnp.isfinite(whole), whole, 0.0)

    potential = columns(0.0, True)
    for _ in range(rounds - 1):
        potential = columns(potential, False)
    return -temperature * potential
