"""Ranks of right answers among candidates: the one computation under every figure here."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float64, Int, Int64

# Scores of unit rows are computed in float64, where the order of summation moves them by some 1e-15.
# Scores closer than this are the same score, whatever the block they were computed in.
TIE = 1e-9
BLOCK_CANDIDATES = 8192


def best_ranks(
    queries: Float[np.ndarray, "q dim"],
    candidates: Float[np.ndarray, "c dim"],
    pairs: Int[np.ndarray, "p 2"],
    *,
    ignored: Int[np.ndarray, "i 2"] | None = None,
    block_size: int = 256,
) -> Int64[np.ndarray, " q"]:
    """Rank, from 1, of each query's best-scoring right answer among all candidates.

    `pairs` lists (query, candidate) where the candidate is a right answer; a query may have several. Those of
    `ignored` are no candidates of that query. Wrong candidates with an equal score, or one that is not a number,
    rank before the right answer, so that a collapsed model earns nothing. At most `block_size` rows of the score
    matrix, and BLOCK_CANDIDATES columns, exist at a time.

    Raises:
        ValueError: a query without a right answer.
    """
    pairs = _by_query(pairs)
    unanswered = np.setdiff1d(np.arange(len(queries)), pairs[:, 0])
    if len(unanswered):
        raise ValueError(f"query {unanswered[0]} has no right answer: leave it out before ranking")
    beside = pairs if ignored is None else _by_query(np.concatenate([pairs, ignored]))
    ranks = np.empty(len(queries), np.int64)
    for start in range(0, len(queries), block_size):
        rows = queries[start : start + block_size].astype(np.float64)
        own, others = (_of_block(cells, start, len(rows)) for cells in (pairs, beside))
        ranks[start : start + block_size] = _ranks_of_block(rows, candidates, own, others)
    return ranks


def _ranks_of_block(
    queries: Float64[np.ndarray, "b dim"],
    candidates: Float[np.ndarray, "c dim"],
    right: Int[np.ndarray, "p 2"],
    uncounted: Int[np.ndarray, "u 2"],
) -> Int64[np.ndarray, " b"]:
    scores = np.einsum("pd,pd->p", queries[right[:, 0]], candidates[right[:, 1]].astype(np.float64))
    best = np.maximum.reduceat(scores, np.searchsorted(right[:, 0], np.arange(len(queries))))
    ranks = np.ones(len(queries), np.int64)
    for start in range(0, len(candidates), BLOCK_CANDIDATES):
        block = candidates[start : start + BLOCK_CANDIDATES].astype(np.float64)
        # Written as "not below" so that a nan on either side counts against the model.
        before = ~(queries @ block.T < best[:, None] - TIE)
        here = (uncounted[:, 1] >= start) & (uncounted[:, 1] < start + len(block))
        before[uncounted[here, 0], uncounted[here, 1] - start] = False
        ranks += np.count_nonzero(before, axis=1)
    return ranks


def _by_query(cells: Int[np.ndarray, "n 2"]) -> Int[np.ndarray, "n 2"]:
    return cells[np.argsort(cells[:, 0], kind="stable")]


def _of_block(cells: Int[np.ndarray, "n 2"], start: int, count: int) -> Int[np.ndarray, "m 2"]:
    """Cells of some consecutive queries, which count from 0 then."""
    first, last = np.searchsorted(cells[:, 0], (start, start + count))
    return cells[first:last] - (start, 0)
