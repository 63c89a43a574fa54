"""Average precision of boxes at an overlap of one half, as COCO's own code counts it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Float64

OVERLAP = 0.5
RECALLS = np.linspace(0.0, 1.0, 101)
MOST = 100  # boxes of an image that count


def overlaps(
    boxes: Float[np.ndarray, "boxes 4"], others: Float[np.ndarray, "others 4"]
) -> Float64[np.ndarray, "boxes others"]:
    """Returns intersection over union of each pair."""
    one, other = boxes[:, None].astype(np.float64), others[None].astype(np.float64)
    sides = np.minimum(one[..., 2:], other[..., 2:]) - np.maximum(one[..., :2], other[..., :2])
    shared = np.maximum(sides, 0.0).prod(axis=-1)
    areas = [(box[..., 2:] - box[..., :2]).prod(axis=-1) for box in (one, other)]
    return shared / np.maximum(areas[0] + areas[1] - shared, np.finfo(np.float64).tiny)


def hits(
    boxes: Float[np.ndarray, "boxes 4"], real: Float[np.ndarray, "real 4"]
) -> Bool[np.ndarray, " boxes"]:
    """Tells which boxes, best first, find one of the real ones that none before has found."""
    found, free = np.zeros(len(boxes), bool), np.ones(len(real), bool)
    for at, fit in enumerate(overlaps(boxes, real)):
        # COCO's code takes the last of equally good ones.
        best = len(real) - 1 - int(np.argmax(np.where(free, fit, -1.0)[::-1])) if free.any() else -1
        if best >= 0 and fit[best] >= OVERLAP:
            found[at], free[best] = True, False
    return found


def average_precision(
    right: Bool[np.ndarray, " boxes"], scores: Float[np.ndarray, " boxes"], real: int
) -> float:
    """Returns the mean precision at 101 recalls, each the best at that recall or beyond.

    Args:
        right: whether a box found a real one.
        scores: of boxes.
        real: how many there are.
    """
    order = np.argsort(-scores, kind="mergesort")
    found = np.cumsum(right[order])
    precision = found / np.arange(1, len(order) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(found / real, RECALLS, side="left")
    return float(
        np.where(places < len(best), np.append(best, 0.0)[np.minimum(places, len(best))], 0.0).mean()
    )
