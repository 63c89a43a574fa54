"""Near-equal embeddings, exactly, in blocks: memory holds a few blocks of rows, however many there are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float32, Int

from input_pipeline.curation.near import Near, first_come

Rows = Callable[[Int[np.ndarray, " n"]], Float32[np.ndarray, "n dim"]]  # unit rows by their places
_BLOCK = 1024


def near_before(rows: Rows, count: int, distance: float, *, greedy: bool, block: int = _BLOCK) -> Near:
    """Finds, in order, which rows are near one before them.

    Time grows with the square of `count`; cosines are summed in float64 and rounded to float32, so that no order of
    sums shows.

    Args:
      rows: gives unit rows.
      count: of them.
      distance: 1 less the cosine, below which rows are near.
      greedy: compare with rows that stay alone, those that are near none; else with all.
      block: rows at once.
    """
    near = Near(np.full(count, -1, np.float32), np.full(count, -1, np.int64))
    kept = np.zeros(0, np.int64)
    for first in range(0, count, block):
        places = np.arange(first, min(first + block, count))
        own = rows(places).astype(np.float64)
        best, nearest = _best(own, rows, kept, block)
        free = best <= np.float32(1 - distance)
        among, place = _among(own, free, distance, greedy=greedy)
        closer = among > best
        best, nearest = np.where(closer, among, best), np.where(closer, place + first, nearest)
        found = best > np.float32(1 - distance)
        near.distance[places] = np.where(found, np.maximum(np.float32(1) - best, 0), -1)
        near.place[places] = np.where(found, nearest, -1)
        kept = np.concatenate([kept, places[~found] if greedy else places])
    return near


_Best = tuple[Float32[np.ndarray, " n"], Int[np.ndarray, " n"]]  # the greatest cosine, and whose


def _best(own: np.ndarray, rows: Rows, kept: Int[np.ndarray, " m"], block: int) -> _Best:
    """The nearest of rows that came in earlier blocks; of several the first."""
    best, nearest = np.full(len(own), -np.inf, np.float32), np.full(len(own), -1, np.int64)
    for first in range(0, len(kept), block):
        some = kept[first : first + block]
        cosines = (own @ rows(some).astype(np.float64).T).astype(np.float32)
        place = cosines.argmax(1)
        found = np.take_along_axis(cosines, place[:, None], 1)[:, 0]
        closer = found > best
        best, nearest = np.where(closer, found, best), np.where(closer, some[place], nearest)
    return best, nearest


def _among(own: np.ndarray, free: Bool[np.ndarray, " n"], distance: float, *, greedy: bool) -> _Best:
    """The nearest of the rows of a block before each."""
    cosines = (own @ own.T).astype(np.float32)
    before = np.triu(np.ones(cosines.shape, bool), 1)
    if greedy:
        before &= first_come(before & (cosines > np.float32(1 - distance)), free)[:, None]
    masked = np.where(before, cosines, -np.inf).astype(np.float32)
    place = masked.argmax(0)
    return np.take_along_axis(masked, place[None], 0)[0], place
