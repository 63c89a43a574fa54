"""Figures of images that have several labels each, some of them unverified.

Targets are 1 where a label was verified to be there, -1 where it was verified not to be, 0 where nobody looked: what is
0 counts nowhere (Open Images V4, arXiv 1811.00982).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Float64, Int, Int64

from vlp.neighbours.ranks import TIE

Scores = Float[np.ndarray, "images labels"]
Targets = Int[np.ndarray, "images labels"]


def settled(scores: Scores, targets: Targets) -> Float64[np.ndarray, "images labels"]:
    """Returns scores of which those closer than TIE are equal; what is not a number counts against the model."""
    rounded = np.round(scores.astype(np.float64) / TIE) * TIE
    return np.where(np.isnan(rounded), np.where(targets > 0, -np.inf, np.inf), rounded)


def average_precision(scores: Float[np.ndarray, " n"], right: Bool[np.ndarray, " n"]) -> float:
    """Returns the area under the steps of precision over recall: equal scores are one step, nothing is interpolated.

    Operation by operation that of scikit-learn's `average_precision_score`; at least one must be right.
    """
    hits, taken = _steps(scores, right)
    precision, recall = hits / taken, hits / hits[-1]
    falling = np.concatenate([recall[::-1], [0.0]])
    return float(max(0.0, -np.sum(np.diff(falling) * precision[::-1])))


def best_f1(scores: Float[np.ndarray, " n"], right: Bool[np.ndarray, " n"]) -> tuple[float, float]:
    """Returns the highest F1 of any threshold, and that threshold, which what is right must reach; the highest of
    equals."""
    hits, taken = _steps(scores, right)
    f1 = 2 * hits / (taken + hits[-1])
    best = int(f1.argmax())
    return float(f1[best]), float(np.sort(scores)[::-1][int(taken[best]) - 1])


def average_precisions(scores: Scores, targets: Targets) -> Float64[np.ndarray, " positive_labels"]:
    """Returns that of every label some image has, over the images where it was verified; their mean is macro mAP."""
    return _each(average_precision, scores.T, targets.T)


def image_average_precisions(scores: Scores, targets: Targets) -> Float64[np.ndarray, " positive_images"]:
    """Returns the average precision of every image that has a label, over its verified labels."""
    return _each(average_precision, scores, targets)


def best_f1s(scores: Scores, targets: Targets) -> Float64[np.ndarray, " positive_labels"]:
    """Returns the highest F1 of every label that some image has, each at a threshold of its own."""
    return _each(lambda own, right: best_f1(own, right)[0], scores.T, targets.T)


def variable_top_k(scores: Scores, targets: Targets) -> Float64[np.ndarray, " positive_images"]:
    """Returns, of an image with k labels, which share of its k best-scored labels is right.

    "Re-assessing ImageNet: how aligned is its single-label assumption with its multi-label nature?" Among equal
    scores wrong labels come first, so that a collapsed model earns nothing. Images without a label are left out.
    """
    ordered = _right_by_rank(scores, targets)
    count = ordered.sum(axis=1)
    return (ordered & (np.arange(ordered.shape[1]) < count[:, None])).sum(axis=1) / count


def mean_by_count(values: Float[np.ndarray, " n"], count: Int[np.ndarray, " n"]) -> float:
    """Averages first within the images with equally many labels, then over these groups."""
    _, group, size = np.unique(count, return_inverse=True, return_counts=True)
    return float(np.mean(np.bincount(group, weights=values) / size))


def real_accuracy(scores: Scores, targets: Targets) -> Float64[np.ndarray, " positive_images"]:
    """Returns 1 where the best-scored label is any of the image's (ReaL accuracy, arXiv 2006.07159), else 0."""
    return _right_by_rank(scores, targets)[:, 0].astype(np.float64)


def label_counts(targets: Targets) -> Int64[np.ndarray, " positive_images"]:
    """Returns how many labels each image has, without those that have none."""
    count = (targets > 0).sum(axis=1)
    return count[count > 0]


def chance_average_precision(right: int, verified: int) -> float:
    """Returns the expected average precision of a random order without ties.

    The step at rank i adds a right one with probability right / verified, and the i - 1 before it are right with
    probability (right - 1) / (verified - 1) each; the mean of their precision over all i.
    """
    if verified == 1:
        return 1.0
    harmonic = float(np.sum(1 / np.arange(1, verified + 1)))
    others = (right - 1) / (verified - 1)
    return (others * (verified - harmonic) + harmonic) / verified


def _steps(
    scores: Float[np.ndarray, " n"], right: Bool[np.ndarray, " n"]
) -> tuple[Float64[np.ndarray, " steps"], Float64[np.ndarray, " steps"]]:
    """Right ones among those taken, and how many are taken, at every threshold from the highest on."""
    order = np.argsort(scores, kind="stable")[::-1]
    ordered = scores[order]
    ends = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), len(scores) - 1)
    return np.cumsum(right[order], dtype=np.float64)[ends], 1.0 + ends


def _each(
    figure: Callable[[np.ndarray, np.ndarray], float], scores: Scores, targets: Targets
) -> Float64[np.ndarray, " positive_rows"]:
    """A figure of every row that has something right, over what was verified of it."""
    rows = np.flatnonzero((targets > 0).any(axis=1))
    return np.array(
        [figure(scores[row, targets[row] != 0], targets[row, targets[row] != 0] > 0) for row in rows]
    )


def _right_by_rank(scores: Scores, targets: Targets) -> Bool[np.ndarray, "positive_images labels"]:
    """Whether the label of each rank is right, for the images that have one; unverified labels rank last."""
    rows = (targets > 0).any(axis=1)
    scores, targets = np.where(targets[rows] == 0, -np.inf, scores[rows]), targets[rows]
    order = np.lexsort((targets > 0, -scores), axis=1)
    return np.take_along_axis(targets > 0, order, axis=1)
