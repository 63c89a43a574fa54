"""How well names of places fit a picture whose quadrants are known (arXiv 2404.10864).

Cells whose quadrant is -1 count nowhere. The Jaccard index is intersection over union.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Float64, Int

from vlp.evaluation.dense.collages import QUADRANTS
from vlp.evaluation.dense.figures import Areas, areas, mean_iou
from vlp.evaluation.naming.figures import dealt
from vlp.evaluation.texts.words import bare_words

OF_ONE_NAME = ("soft_jaccard", "soft_recall")  # figures that stand beside those of one name for the whole


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


def soft_recall(
    similar: Float[np.ndarray, "cells 4"], quadrant: Int[np.ndarray, " cells"]
) -> Float64[np.ndarray, 4]:
    """Returns the mean similarity of the names in each quadrant to its label, negative ones as none."""
    inside = quadrant[:, None] == np.arange(QUADRANTS)
    return np.where(inside, np.maximum(similar, 0), 0).sum(axis=0) / inside.sum(axis=0)


def jaccard(said: Int[np.ndarray, " cells"], quadrant: Int[np.ndarray, " cells"]) -> Float64[np.ndarray, 4]:
    """Returns the index of each quadrant, where each cell was said to be of one."""
    found = areas(said, quadrant, QUADRANTS)
    return found.both / (found.said + found.real - found.both)


def by_overlap(names: Sequence[str], quadrant: Int[np.ndarray, " cells"]) -> Int[np.ndarray, " cells"]:
    """Takes each name for that of the quadrant in which it stands most often, of equal ones the first."""
    _, place = np.unique(names, return_inverse=True)
    known = quadrant >= 0
    counts = np.zeros((place.max() + 1, QUADRANTS), np.int64)
    np.add.at(counts, (place[known], quadrant[known]), 1)
    return counts.argmax(axis=1)[place]


def area_figures(
    names: Sequence[Sequence[str]],
    similar: Float[np.ndarray, "collages cells 4"],
    labels: Sequence[str],
    classes: Int[np.ndarray, "collages 4"],
    quadrant: Int[np.ndarray, " cells"],
) -> dict[str, float]:
    """Returns the figures of names of cells, the mean over labels.

    `hard` ones take a name for a label that has the same words, over all collages at once; `nearest` for the most
    similar of a collage's four labels; `overlap` for the label that it shares most cells with; `soft` ones count
    similarity itself. Names by overlap fit the better the more of them there are, so those of strangers, the same
    names dealt out anew to the cells, stand beside.

    Args:
        names: of the cells of each collage.
        similar: each name's similarity to the four labels of its collage.
        labels: of all classes.
        classes: of each collage's quadrants.
        quadrant: of the cells.
    """
    by_collage = {
        "soft_jaccard": [soft_jaccard(one, quadrant) for one in similar],
        "nearest_jaccard": [jaccard(one.argmax(axis=1), quadrant) for one in similar],
        "overlap_jaccard": [jaccard(by_overlap(own, quadrant), quadrant) for own in names],
        "overlap_jaccard_of_strangers": [
            jaccard(by_overlap(dealt(own), quadrant), quadrant) for own in names
        ],
        "soft_recall": [soft_recall(one, quadrant) for one in similar],
    }
    hard = _same_words(names, labels, classes, quadrant)
    return {
        **{figure: mean_per_label(np.array(values), classes) for figure, values in by_collage.items()},
        "hard_jaccard": mean_iou(hard),
        "hard_recall": mean_recall(hard),
    }


def _same_words(
    names: Sequence[Sequence[str]],
    labels: Sequence[str],
    classes: Int[np.ndarray, "collages 4"],
    quadrant: Int[np.ndarray, " cells"],
) -> Areas:
    """Areas of each label, and of names that are none's, over all collages."""
    of_words = {frozenset(bare_words(label)): place for place, label in enumerate(labels)}
    said = [[of_words.get(frozenset(bare_words(name)), len(labels)) for name in own] for own in names]
    real = np.where(quadrant >= 0, classes[:, quadrant], -1)
    return areas(np.array(said).reshape(-1), real.reshape(-1), len(labels) + 1)


def mean_recall(found: Areas) -> float:
    """Returns the mean over the classes that are there of the share of their area that was said to be theirs."""
    there = found.real > 0
    return float(np.mean(found.both[there] / found.real[there]))


def chance_of_areas(
    frequency: Mapping[str, int], labels: Sequence[str], classes: Int[np.ndarray, "collages 4"]
) -> dict[str, float]:
    """Returns the ratio of expected areas: of names drawn by their frequency, and for `nearest` of any of the four."""
    drawn = Counter(frequency)
    words = [set(bare_words(label)) for label in labels]
    odds = [drawn[next(iter(own))] / max(1, drawn.total()) if len(own) == 1 else 0.0 for own in words]
    real = np.bincount(classes.reshape(-1), minlength=len(labels)).astype(np.float64)
    hard = Areas(real * odds, real.sum() * np.array(odds), real)
    quarters = np.ones(QUADRANTS)
    return {
        "nearest_jaccard": mean_iou(Areas(quarters / QUADRANTS, quarters, quarters)),
        "hard_jaccard": mean_iou(hard),
        "hard_recall": mean_recall(hard),
    }
