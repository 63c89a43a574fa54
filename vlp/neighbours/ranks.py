"""Ranks of right answers among candidates: the one computation under every figure here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Float64, Int, Int64

from input_pipeline.errors import UserError

if TYPE_CHECKING:
    from jax.sharding import Mesh

# Scores of unit rows are computed in float64, where the order of summation moves them by some 1e-15.
# Scores closer than this are the same score, whatever the block they were computed in.
TIE = 1e-9
CHUNK_QUERIES = 65_536  # on all devices at a time
CELLS = 16_384  # scored at a time on the host


def best_ranks(
    queries: Float[np.ndarray, "q dim"],
    candidates: Float[np.ndarray, "c dim"],
    pairs: Int[np.ndarray, "p 2"],
    *,
    ignored: Int[np.ndarray, "i 2"] | None = None,
    mesh: Mesh | None = None,
) -> Int64[np.ndarray, " q"]:
    """Returns the rank, from 1, of each query's best-scoring right answer among all candidates.

    `pairs` lists (query, candidate) where the candidate is a right answer; a query may have several. Those of
    `ignored` are no candidates of that query. Wrong candidates with an equal score, or one that is not a number,
    rank before the right answer, so that a collapsed model earns nothing. All processes of a run have to ask the same.

    Args:
        mesh: whose data axis the queries are split over; None takes all devices.

    Raises:
        ValueError: a query without a right answer.
    """
    from vlp.neighbours.counting import count_not_below  # loads jax

    pairs = np.unique(pairs, axis=0)
    unanswered = np.setdiff1d(np.arange(len(queries)), pairs[:, 0])
    if len(unanswered):
        raise UserError(f"query {unanswered[0]} has no right answer: leave it out before ranking")
    beside = pairs if ignored is None else np.unique(np.concatenate([pairs, ignored]), axis=0)
    ranks = np.empty(len(queries), np.int64)
    for start in range(0, len(queries), CHUNK_QUERIES):
        rows = queries[start : start + CHUNK_QUERIES]
        own, others = (_of_chunk(cells, start, len(rows)) for cells in (pairs, beside))
        scores = _scores(rows, candidates, own)
        least = np.maximum.reduceat(scores, np.searchsorted(own[:, 0], np.arange(len(rows)))) - TIE
        before = ~(_scores(rows, candidates, others) < least[others[:, 0]])
        uncounted = np.bincount(others[before, 0], minlength=len(rows))
        ranks[start : start + CHUNK_QUERIES] = 1 + count_not_below(rows, candidates, least, mesh) - uncounted
    return ranks


def best_token_ranks(
    queries: Float[np.ndarray, "q dim"],
    candidates: Float[np.ndarray, "c tokens dim"],
    pairs: Int[np.ndarray, "p 2"],
    *,
    ignored: Int[np.ndarray, "i 2"],
) -> Int64[np.ndarray, " q"]:
    """Returns the same ranks where a candidate has several rows and the one nearest to the query counts.

    Every cell is computed on the host, some queries at a time: for galleries of thousands.
    """
    if candidates.shape[1] == 1:
        return best_ranks(queries, candidates[:, 0], pairs, ignored=ignored)
    count, tokens, dim = candidates.shape
    flat, ranks = candidates.reshape(-1, dim).astype(np.float64), np.empty(len(queries), np.int64)
    size = max(1, CELLS * CELLS // len(flat))
    for start in range(0, len(queries), size):
        rows = queries[start : start + size].astype(np.float64)
        scores = (rows @ flat.T).reshape(len(rows), count, tokens).max(axis=2)
        own, others = (_of_chunk(cells, start, len(rows)) for cells in (np.unique(pairs, axis=0), ignored))
        right = np.zeros(scores.shape, bool)
        right[own[:, 0], own[:, 1]] = True
        least = np.where(right, scores, -np.inf).max(axis=1) - TIE
        before = ~(scores < least[:, None]) & ~right
        before[others[:, 0], others[:, 1]] = False
        ranks[start : start + size] = 1 + before.sum(axis=1)
    return ranks


def _scores(
    queries: Float[np.ndarray, "n dim"], candidates: Float[np.ndarray, "c dim"], cells: Int[np.ndarray, "m 2"]
) -> Float64[np.ndarray, " m"]:
    """The scores of some (query, candidate)."""
    parts = [cells[start : start + CELLS] for start in range(0, len(cells), CELLS)]
    return np.concatenate(
        [
            np.einsum("pd,pd->p", queries[part[:, 0]], candidates[part[:, 1]], dtype=np.float64)
            for part in parts
        ]
    )


def _of_chunk(cells: Int[np.ndarray, "n 2"], start: int, count: int) -> Int[np.ndarray, "m 2"]:
    """Cells of some consecutive queries, which count from 0 then."""
    first, last = np.searchsorted(cells[:, 0], (start, start + count))
    return cells[first:last] - (start, 0)
