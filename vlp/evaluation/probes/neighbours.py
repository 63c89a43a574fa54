"""Classification by the nearest neighbours, whose votes weigh more the nearer they are."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float64, Int


def neighbour_votes(
    features: Float[np.ndarray, "n dim"],
    labels: Int[np.ndarray, " n"],
    queries: Float[np.ndarray, "q dim"],
    classes: int,
    *,
    neighbours: int,
    temperature: float,
) -> Float64[np.ndarray, "q classes"]:
    """Sums over the nearest rows of each class exp(cosine / temperature) (Wu et al. 2018, arXiv 1805.01978).

    Args:
      features: unit rows.
      labels: of the rows, from 0.
      queries: unit rows.
      classes: how many there are.
      neighbours: that vote; all rows where there are fewer.
      temperature: of the votes; the smaller, the more the nearest decide.
    """
    from vlp.neighbours.search import search  # loads jax

    found = search(queries, features, min(neighbours, len(features)))
    # Relative to the nearest row, which keeps the exponents small and the order of the classes.
    weights = np.exp((found.scores.astype(np.float64) - found.scores[:, :1]) / temperature)
    votes = np.zeros((len(queries), classes))
    np.add.at(votes, (np.arange(len(queries))[:, None], labels[found.places]), weights)
    return votes
