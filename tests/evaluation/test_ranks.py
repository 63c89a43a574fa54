from __future__ import annotations

import jax
import numpy as np
import pytest

from vlp.neighbours import counting
from vlp.neighbours import ranks as module
from vlp.neighbours.ranks import best_ranks
from vlp.parallel.mesh import data_mesh, make_mesh


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


@pytest.mark.parametrize(("chunk", "block", "tile"), [(1, 1, 1), (3, 4, 2), (23, 8, 4), (64, 1024, 256)])
@pytest.mark.parametrize("devices", [1, 8])
def test_ranks_are_those_of_a_double_loop_however_they_are_cut(
    chunk: int, block: int, tile: int, devices: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK_QUERIES", chunk)
    monkeypatch.setattr(module, "CELLS", chunk)
    monkeypatch.setattr(counting, "BLOCK_CANDIDATES", block)
    monkeypatch.setattr(counting, "TILE", tile)
    rng = np.random.default_rng(0)
    queries, candidates = unit(rng, 23, 5), unit(rng, 31, 5)
    candidates[20:25] = candidates[3]  # ties across the candidates
    right = [set(rng.choice(31, size=rng.integers(1, 4), replace=False).tolist()) for _ in queries]
    pairs = rng.permutation([(q, c) for q, answers in enumerate(right) for c in answers])
    ranks = best_ranks(queries, candidates, pairs, mesh=data_mesh(jax.devices()[:devices]))
    assert ranks.tolist() == brute_force(queries, candidates, right)


def test_a_mesh_that_training_has_set_does_not_matter() -> None:
    rows = unit(np.random.default_rng(0), 20, 5)
    with jax.set_mesh(make_mesh({"data": 2, "fsdp": 4, "model": 1})):
        assert best_ranks(rows, rows, np.stack([np.arange(20)] * 2, axis=1)).tolist() == [1] * 20


def test_tpus_leave_ranks_to_their_hosts(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_processors(backend: str) -> None:
        raise RuntimeError(backend)

    monkeypatch.setattr(jax, "default_backend", lambda: "tpu")
    assert counting.exact_mesh().devices.flat[0].platform == "cpu" and not caplog.text
    monkeypatch.setattr(jax, "local_devices", no_processors)
    counting.exact_mesh()
    assert "JAX_PLATFORMS=tpu,cpu" in caplog.text


def test_a_pair_that_is_named_twice_counts_once() -> None:
    rows = np.eye(3, dtype=np.float32)
    assert best_ranks(rows[:1], rows, np.array([[0, 0], [0, 0]]), ignored=np.array([[0, 0]])).tolist() == [1]


def test_scores_that_float32_cannot_tell_apart_are_told_apart() -> None:
    candidates = np.array([[1.0, 2e-8], [1.0, 0.0], [1.0, 1e-8]])
    assert best_ranks(np.ones((1, 2)), candidates, np.array([[0, 2]])).tolist() == [2]


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
    rows, block = (np.zeros((count, 512), np.float32) for count in (65_536, 8192))
    with jax.enable_x64(True):
        shapes = (rows, rows[:, 0].astype(np.float64), block, np.int32(0), rows[:, 0].astype(np.int32))
        program = counting._compile(data_mesh(jax.devices()[:1]), 256).lower(*shapes).compile()
    scores = 65_536 * 8192 * 8
    assert program.memory_analysis().temp_size_in_bytes < scores / 50


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
    monkeypatch.setattr(counting, "BLOCK_CANDIDATES", 4)
    rng = np.random.default_rng(1)
    queries, candidates = unit(rng, 6, 4), unit(rng, 9, 4)
    candidates[6] = queries[3]  # stands before the right answer, and is ignored
    pairs = np.stack([np.arange(6), np.arange(6)], axis=1)
    ignored = np.stack([np.arange(6), np.arange(6) + 3], axis=1)
    ranks = best_ranks(queries, candidates, pairs, ignored=ignored)
    kept = [np.delete(np.arange(9), query + 3) for query in range(6)]
    expected = [
        brute_force(queries[query : query + 1], candidates[rows], [{query}])[0]
        for query, rows in enumerate(kept)
    ]
    assert ranks.tolist() == expected
    assert ranks.sum() < best_ranks(queries, candidates, pairs).sum()
