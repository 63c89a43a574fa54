"""Orders of a pool by what a model does not know of it: entropy, gradients (BADGE), distance (core-set)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int


class Pool(NamedTuple):
    """Holds what is known of the images that may be chosen.

    Attributes:
      probabilities: of the classes.
      features: unit rows.
      bought: features of the images whose labels are known already.
    """

    probabilities: Float[np.ndarray, "n classes"]
    features: Float[np.ndarray, "n dim"]
    bought: Float[np.ndarray, "bought dim"]


Chooser = Callable[[Pool, int, np.random.Generator], Int[np.ndarray, " chosen"]]


def at_random(pool: Pool, count: int, dice: np.random.Generator) -> Int[np.ndarray, " chosen"]:
    """Chooses any."""
    return dice.permutation(len(pool.features))[:count]


def by_entropy(pool: Pool, count: int, dice: np.random.Generator) -> Int[np.ndarray, " chosen"]:
    """Chooses those of the highest entropy, the highest first."""
    del dice
    return np.argsort(negative_entropy(pool.probabilities), kind="stable")[:count]


def negative_entropy(probabilities: Float[np.ndarray, "n classes"]) -> Float[np.ndarray, " n"]:
    """Returns the sum of p log(p + 1e-6), as PCB's public code has it."""
    return (probabilities * np.log(probabilities + 1e-6)).sum(axis=1)


def by_gradient(pool: Pool, count: int, dice: np.random.Generator) -> Int[np.ndarray, " chosen"]:
    """Chooses by k-means++ on gradients of the last layer, as if the answer were right (BADGE, arXiv 1906.03671).

    A gradient is (p - the answer as one-hot) times the feature: its dot products are those of both factors, so that no
    [n, classes * dim] is ever formed.
    """
    answers = np.eye(pool.probabilities.shape[1])[pool.probabilities.argmax(axis=1)]
    errors, features = pool.probabilities - answers, pool.features.astype(np.float64)
    lengths = (errors**2).sum(axis=1) * (features**2).sum(axis=1)

    def distances(to: int) -> Float[np.ndarray, " n"]:
        products = (errors @ errors[to]) * (features @ features[to])
        return np.maximum(lengths + lengths[to] - 2 * products, 0.0)

    chosen = [int(lengths.argmax())]
    nearest = distances(chosen[0])
    while len(chosen) < min(count, len(features)):
        weights = nearest.copy()
        weights[chosen] = 0.0
        if not weights.sum():
            weights = np.ones(len(features))
            weights[chosen] = 0.0
        chosen.append(int(dice.choice(len(features), p=weights / weights.sum())))
        nearest = np.minimum(nearest, distances(chosen[-1]))
    return np.array(chosen, np.int64)


def by_coverage(pool: Pool, count: int, dice: np.random.Generator) -> Int[np.ndarray, " chosen"]:
    """Chooses what is farthest from all that is chosen or bought, one by one (core-set, arXiv 1708.00489)."""
    features = pool.features.astype(np.float64)
    likest = np.full(len(features), -np.inf)
    for start in range(0, len(pool.bought), 1024):
        likest = np.maximum(likest, (features @ pool.bought[start : start + 1024].T).max(axis=1))
    chosen: list[int] = []
    while len(chosen) < min(count, len(features)):
        place = int(likest.argmin()) if chosen or len(pool.bought) else int(dice.integers(len(features)))
        chosen.append(place)
        likest = np.maximum(likest, features @ features[place])
        likest[chosen] = np.inf
    return np.array(chosen, np.int64)


CHOOSERS: dict[str, Chooser] = {
    "random": at_random,
    "entropy": by_entropy,
    "badge": by_gradient,
    "coreset": by_coverage,
}
