"""How well names of places fit a picture whose quadrants are known (arXiv 2404.10864).

Cells whose quadrant is -1 count nowhere.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float64, Int

from vlp.evaluation.dense.collages import QUADRANTS


def soft_jaccard(
    similar: Float[np.ndarray, "cells 4"], quadrant: Int[np.ndarray, " cells"]
) -> Float64[np.ndarray, 4]:
    """Returns the index of each quadrant's label, a cell's membership being its name's similarity to that label.

    Intersection: memberships within the quadrant. Union: all memberships and the quadrant, less the intersection.
    """
    known = quadrant >= 0
    member, inside = np.maximum(similar[known], 0), quadrant[known, None] == np.arange(QUADRANTS)
    intersection = np.where(inside, member, 0).sum(axis=0)
    return intersection / (member.sum(axis=0) + inside.sum(axis=0) - intersection)


def mean_per_label(values: Float[np.ndarray, "collages 4"], labels: Int[np.ndarray, "collages 4"]) -> float:
    """Averages first within each label, then over the labels."""
    _, place = np.unique(labels, return_inverse=True)
    place = place.reshape(-1)
    return float(np.mean(np.bincount(place, weights=values.reshape(-1)) / np.bincount(place)))
