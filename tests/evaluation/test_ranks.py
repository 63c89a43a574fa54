from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from vlp.evaluation.ranks import best_ranks


def unit(rng: np.random.Generator, *shape: int) -> np.ndarray:
    rows = rng.normal(size=shape)
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def brute_force(queries, candidates, right: list[set[int]]) -> list[int]:
    ranks = []
    for query, answers in zip(queries.astype(np.float64), right, strict=True):
        scores = [float(np.dot(query, row)) for row in candidates.astype(np.float64)]
        best = max(scores[answer] for answer in answers)
        ranks.append(1 + sum(c not in answers and scores[c] >= best - 1e-9 for c in range(len(scores))))
    return ranks


@pytest.mark.parametrize("block_size", [1, 3, 7, 23, 256])
def test_ranks_are_those_of_a_double_loop_for_any_block_size(block_size: int) -> None:
    rng = np.random.default_rng(0)
    queries, candidates = unit(rng, 23, 5), unit(rng, 31, 5)
    candidates[20:25] = candidates[3]  # ties across the candidates
    right = [set(rng.choice(31, size=rng.integers(1, 4), replace=False).tolist()) for _ in queries]
    pairs = rng.permutation([(q, c) for q, answers in enumerate(right) for c in answers])
    ranks = best_ranks(queries, candidates, pairs, block_size=block_size)
    assert ranks.tolist() == brute_force(queries, candidates, right)


def test_an_equal_score_ranks_before_the_right_answer() -> None:
    same = np.ones((5, 2), np.float32)
    assert best_ranks(same[:1], same, np.array([[0, 0]])).tolist() == [5]


def test_the_order_of_summation_breaks_no_tie() -> None:
    row = np.random.default_rng(0).normal(size=300) / 300
    # Equal but for the order of the terms, so that the sums differ in their last bits.
    candidates = np.stack([row, row[::-1], np.random.default_rng(1).permutation(row)])
    ranks = [best_ranks(np.ones((1, 300)), candidates, np.array([[0, right]]))[0] for right in range(3)]
    assert ranks == [3, 3, 3]


def test_the_score_matrix_is_never_held_whole() -> None:
    rows = unit(np.random.default_rng(0), 3000, 2)
    pairs = np.stack([np.arange(3000)] * 2, axis=1)
    tracemalloc.start()
    best_ranks(rows, rows, pairs, block_size=16)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3000 * 3000 * 8 / 10


def test_other_right_answers_never_count_against_the_best_one() -> None:
    same = np.ones((5, 2), np.float32)
    assert best_ranks(same[:1], same, np.array([[0, 0], [0, 3]])).tolist() == [4]


@pytest.mark.parametrize("broken", [0, 1])
def test_a_score_that_is_not_a_number_counts_against_the_model(broken: int) -> None:
    candidates = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]], np.float32)
    query = candidates[:1].copy()
    candidates[broken] = np.nan
    assert best_ranks(query, candidates, np.array([[0, 0]])).tolist() == [3 if broken == 0 else 2]


def test_a_query_without_a_right_answer_is_refused() -> None:
    rows = np.eye(3, dtype=np.float32)
    with pytest.raises(ValueError, match="query 1 has no right answer"):
        best_ranks(rows, rows, np.array([[0, 0], [2, 2]]))


def test_ignored_candidates_are_none(monkeypatch) -> None:
    monkeypatch.setattr("vlp.evaluation.ranks.BLOCK_CANDIDATES", 4)
    rng = np.random.default_rng(1)
    queries, candidates = unit(rng, 6, 4), unit(rng, 9, 4)
    candidates[6] = queries[3]  # stands before the right answer, and is ignored
    pairs = np.stack([np.arange(6), np.arange(6)], axis=1)
    ignored = np.stack([np.arange(6), np.arange(6) + 3], axis=1)
    ranks = best_ranks(queries, candidates, pairs, ignored=ignored, block_size=2)
    kept = [np.delete(np.arange(9), query + 3) for query in range(6)]
    expected = [
        brute_force(queries[query : query + 1], candidates[rows], [{query}])[0]
        for query, rows in enumerate(kept)
    ]
    assert ranks.tolist() == expected
    assert ranks.sum() < best_ranks(queries, candidates, pairs).sum()
