"""Ridge regression onto class indicators from a few examples of each class."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Float64, Int, Int64


def rank_in_class(labels: Int[np.ndarray, " n"], seed: int) -> Int64[np.ndarray, " n"]:
    """Returns the place of each example, from 0, in a random order of those of its class."""
    order = np.random.default_rng(seed).permutation(len(labels))
    by_class = order[np.argsort(labels[order], kind="stable")]
    _, first, count = np.unique(labels[by_class], return_index=True, return_counts=True)
    ranks = np.empty(len(labels), np.int64)
    ranks[by_class] = np.arange(len(labels)) - np.repeat(first, count)
    return ranks


def few_shot_hits(
    features: Float[np.ndarray, "n dim"],
    labels: Int[np.ndarray, " n"],
    queries: Float[np.ndarray, "q dim"],
    query_labels: Int[np.ndarray, " q"],
    *,
    shots: int,
    penalty: float,
    draws: int = 3,
) -> Float64[np.ndarray, " q"]:
    """Returns how often each query is right over several draws of `shots` examples a class (all of a smaller class).

    Draws are nested: the examples of fewer shots are among those of more. The classifier is scikit-learn's
    RidgeClassifier: targets of 1 and -1, squared errors, a free intercept.
    """
    hits = [
        _hits(features[chosen], labels[chosen], queries, query_labels, penalty)
        for chosen in (rank_in_class(labels, seed) < shots for seed in range(draws))
    ]
    return np.mean(hits, axis=0)


def _hits(
    features: Float[np.ndarray, "n dim"],
    labels: Int[np.ndarray, " n"],
    queries: Float[np.ndarray, "q dim"],
    query_labels: Int[np.ndarray, " q"],
    penalty: float,
) -> Bool[np.ndarray, " q"]:
    from sklearn.linear_model import RidgeClassifier

    ridge = RidgeClassifier(alpha=penalty, solver="cholesky").fit(features.astype(np.float64), labels)
    return ridge.predict(queries.astype(np.float64)) == query_labels
