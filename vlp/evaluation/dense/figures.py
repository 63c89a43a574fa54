"""How well patches know what they show, on pictures whose quadrants are of known classes.

Cells whose quadrant is -1 count nowhere.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float64, Int

from vlp.evaluation.dense.collages import QUADRANTS


class Areas(NamedTuple):
    """Cells by class, over all pictures: where it is and was said to be, where it was said to be, where it is."""

    both: Float64[np.ndarray, " classes"]
    said: Float64[np.ndarray, " classes"]
    real: Float64[np.ndarray, " classes"]


def pointing(
    scores: Float[np.ndarray, "cells 4"], quadrant: Int[np.ndarray, " cells"]
) -> Bool[np.ndarray, 4]:
    """Tells whether the best-scored cell of each quadrant's class lies in that quadrant (the pointing game,
    1608.00507).

    A score that is not a number is a miss.
    """
    known = quadrant >= 0
    hit = quadrant[known][scores[known].argmax(axis=0)] == np.arange(QUADRANTS)
    return hit & ~np.isnan(scores[known]).any(axis=0)


def patch_accuracy(scores: Float[np.ndarray, "cells 4"], quadrant: Int[np.ndarray, " cells"]) -> float:
    """Returns the share of cells that fit their own quadrant's class best of the four; of equal ones, the first is
    taken."""
    known = quadrant >= 0
    return float(np.mean(scores[known].argmax(axis=1) == quadrant[known]))


def areas(said: Int[np.ndarray, " cells"], real: Int[np.ndarray, " cells"], classes: int) -> Areas:
    """Counts areas of one picture or many, by the class each cell was said to be and is of; -1 is not counted."""
    known = real >= 0
    said, real = said[known], real[known]
    counts = (np.bincount(which, minlength=classes) for which in (said[said == real], said, real))
    return Areas(*(count.astype(np.float64) for count in counts))


def mean_iou(found: Areas) -> float:
    """Returns the mean over the classes that are there of intersection over union."""
    both, said, real = (area[found.real > 0] for area in found)
    return float(np.mean(both / (said + real - both)))
