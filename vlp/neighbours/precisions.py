"""Average precision of rows that ask for the others of their class: where every right one stands, not only the best."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Float64, Int, Int64

from vlp.neighbours.ranks import TIE


def precisions(
    rows: Float[np.ndarray, "n dim"],
    classes: Int[np.ndarray, " n"],
    queries: Int[np.ndarray, " q"],
    *,
    block_size: int = 256,
) -> tuple[Float64[np.ndarray, " q"], Bool[np.ndarray, " q"]]:
    """Returns the average precision of each query over all other rows, and whether the first of these is of its class.

    AP is the mean, over the right ones, of the share of right ones among all that stand no later. Wrong ones
    with an equal score, or one that is not a number, stand before the right one.

    Args:
        rows: unit rows.
        classes: of each row; a negative one is like no other.
        queries: rows that ask; each has another of its class.
        block_size: queries whose scores exist at a time.
    """
    columns = rows.astype(np.float64).T
    average, first = np.empty(len(queries)), np.empty(len(queries), bool)
    for start in range(0, len(queries), block_size):
        block = queries[start : start + block_size]
        for place, (query, scores) in enumerate(zip(block, columns.T[block] @ columns, strict=True), start):
            same = classes == classes[query]
            others = np.arange(len(rows)) != query
            before = _wrong_before(scores[same & others], scores[~same])
            right = np.arange(1, len(before) + 1)
            average[place], first[place] = np.mean(right / (right + before)), before[0] == 0
    return average, first


def _wrong_before(
    right: Float64[np.ndarray, " r"], wrong: Float64[np.ndarray, " w"]
) -> Int64[np.ndarray, " r"]:
    """How many wrong scores stand before each right one, the best of these first."""
    # A nan among the wrong sorts to the end, before everything; one among the right stands behind everything.
    right = np.sort(np.where(np.isnan(right), -np.inf, right))[::-1]
    return len(wrong) - np.searchsorted(np.sort(wrong), right - TIE)
