"""Ranks of right answers among candidates: the one computation under every figure here."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int, Int64

# Scores of unit rows are computed in float64, where the order of summation moves them by some 1e-15.
# Scores closer than this are the same score, whatever the block they were computed in.
TIE = 1e-9


def best_ranks(
    queries: Float[np.ndarray, "q dim"],
    candidates: Float[np.ndarray, "c dim"],
    pairs: Int[np.ndarray, "p 2"],
    *,
    block_size: int = 256,
) -> Int64[np.ndarray, " q"]:
    """Rank, from 1, of each query's best-scoring right answer among all candidates.

    `pairs` lists (query, candidate) where the candidate is a right answer; a query may have several. Wrong
    candidates with an equal score, or one that is not a number, rank before the right answer, so that a
    collapsed model earns nothing. At most `block_size` rows of the score matrix exist at a time.

    Raises:
        ValueError: a query without a right answer.
    """
    pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    unanswered = np.setdiff1d(np.arange(len(queries)), pairs[:, 0])
    if len(unanswered):
        raise ValueError(f"query {unanswered[0]} has no right answer: leave it out before ranking")
    columns = candidates.astype(np.float64).T
    ranks = np.empty(len(queries), np.int64)
    for start in range(0, len(queries), block_size):
        rows = slice(start, start + block_size)
        scores = queries[rows].astype(np.float64) @ columns
        first, last = np.searchsorted(pairs[:, 0], (start, start + len(scores)))
        right = np.zeros(scores.shape, bool)
        right[pairs[first:last, 0] - start, pairs[first:last, 1]] = True
        ranks[rows] = _ranks_in_block(scores, right)
    return ranks


def _ranks_in_block(
    scores: Float[np.ndarray, "b c"], right: Bool[np.ndarray, "b c"]
) -> Int64[np.ndarray, " b"]:
    best = np.where(right, scores, -np.inf).max(axis=1, keepdims=True)
    # Written as "not below" so that a nan on either side counts against the model.
    return 1 + (~right & ~(scores < best - TIE)).sum(axis=1)
