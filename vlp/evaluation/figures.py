"""Figures made from ranks and the level that chance reaches on each of them; calibration; clusters against classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from math import comb

import numpy as np
from jaxtyping import Bool, Float, Int

Labels = Sequence[str] | Int[np.ndarray, " n"]


def share_within(ranks: Int[np.ndarray, " q"], k: int) -> float:
    """Returns the share of ranks (from 1) that are at most k: accuracy and recall@k alike."""
    return float(np.mean(ranks <= k))


def mean_per_class(ranks: Int[np.ndarray, " n"], classes: Int[np.ndarray, " n"]) -> float:
    """Returns the share of ranks that are 1, first within each class, then averaged over the classes that occur."""
    _, class_of, count = np.unique(classes, return_inverse=True, return_counts=True)
    return float(np.mean(np.bincount(class_of, weights=ranks == 1) / count))


def chance_within(k: int, right: Sequence[int], candidates: int) -> float:
    """Returns the expected share of queries with a right answer among the first k of a random order.

    `right` holds the number of right answers of each query. Hypergeometric:
    1 - C(candidates - right, k) / C(candidates, k), averaged over the queries in exact fractions.
    """
    return float(_share_of_best_within(k, Counter(right), candidates))


def chance_median_rank(right: Sequence[int], candidates: int) -> float:
    """Returns the median of the rank of a random query's best right answer in a random order of the candidates.

    Half-way between two ranks where the halves meet there: (candidates + 1) / 2 for one right answer.
    """
    counts = Counter(right)
    low, high = 1, candidates
    while low < high:
        middle = (low + high) // 2
        if _share_of_best_within(middle, counts, candidates) >= Fraction(1, 2):
            high = middle
        else:
            low = middle + 1
    if _share_of_best_within(low, counts, candidates) > Fraction(1, 2):
        return float(low)
    return low + 0.5


def chance_mean_rank(right: Sequence[int], candidates: int) -> float:
    """Returns the expected rank of a query's best right answer in a random order: (candidates + 1) / (right + 1),
    averaged."""
    counts = Counter(right)
    total = sum(count * Fraction(candidates + 1, own + 1) for own, count in counts.items())
    return float(total / counts.total())


def chance_average_precision(right: int, candidates: int) -> float:
    """Returns the expected average precision of a random order of `candidates`, `right` of which are right.

    A right one stands at rank i with the same chance for all i, and of the i - 1 before it a share of
    (right - 1) / (candidates - 1) is right; averaging (1 + (i - 1) share) / i over i gives the formula.
    """
    harmonic = sum(1 / rank for rank in range(1, candidates + 1))
    share = (right - 1) / (candidates - 1) if candidates > 1 else 0.0
    return (harmonic + share * (candidates - harmonic)) / candidates


def _share_of_best_within(k: int, counts: Counter[int], candidates: int) -> Fraction:
    k = min(k, candidates)
    missed = sum(
        n * Fraction(comb(candidates - k, right), comb(candidates, right)) for right, n in counts.items()
    )
    return 1 - Fraction(missed, counts.total())


def calibration_error(
    confidence: Float[np.ndarray, " n"], right: Bool[np.ndarray, " n"], bins: int = 15
) -> float:
    """Returns the expected calibration error: |accuracy - mean confidence| in bins of equal width, weighted by their
    examples.

    Bins are open below and closed above (Guo et al. 2017, arXiv 1706.04599, equation 3).
    """
    bin_of = np.digitize(confidence, np.linspace(0, 1, bins + 1)[1:-1], right=True)
    surplus = np.bincount(bin_of, weights=right - confidence.astype(np.float64))
    return float(np.abs(surplus).sum() / len(confidence))


def matched_accuracy(clusters: Labels, classes: Labels) -> float:
    """Returns the share of examples whose cluster is matched to their class, in the one-to-one matching where it is
    highest.

    The assignment problem is solved exactly (Kuhn 1955). Clusters without a class of their own count as wrong.
    """
    return float(np.mean(matched(clusters, classes)))


def matched(clusters: Labels, classes: Labels) -> Bool[np.ndarray, " n"]:
    """Tells of each example whether its cluster is matched to its class, in that one matching of all of them."""
    from scipy.optimize import linear_sum_assignment

    _, rows = np.unique(clusters, return_inverse=True)
    _, columns = np.unique(classes, return_inverse=True)
    counts = np.zeros((rows.max() + 1, columns.max() + 1), np.int64)
    np.add.at(counts, (rows, columns), 1)
    right = np.zeros(counts.shape, bool)
    right[linear_sum_assignment(counts, maximize=True)] = True
    return right[rows, columns]
