"""Search by blocks against sorting everything, on one device and on eight, with ties of every kind."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from retrieval_sets import unit

from vlp.neighbours import search as module
from vlp.neighbours.search import search
from vlp.parallel.mesh import make_mesh

ONE = {"data": 1, "fsdp": 1, "model": 1}
SPLIT = {"data": 2, "fsdp": 2, "model": 2}


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch):
    """Programs of a few rows; products in bfloat16 whatever this processor is."""
    monkeypatch.setattr(module, "TILE", 8)
    monkeypatch.setattr(module, "product_dtype", lambda platform: jnp.bfloat16)


def sort_everything(queries: np.ndarray, candidates: np.ndarray, k: int) -> np.ndarray:
    scores = queries.astype(np.float64) @ candidates.T.astype(np.float64)
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]


@pytest.mark.parametrize("sizes", [ONE, SPLIT])
def test_whole_numbers_are_found_with_their_ties(sizes) -> None:
    """Their products are exact, and most scores occur many times."""
    random = np.random.default_rng(0)
    queries = random.integers(-2, 3, (21, 6)).astype(np.float32)
    candidates = random.integers(-2, 3, (3000, 6)).astype(np.float32)
    found = search(queries, candidates, 7, mesh=make_mesh(sizes), chunk_queries=16, chunk_candidates=1024)
    expected = sort_everything(queries, candidates, 7)
    np.testing.assert_array_equal(found.places, expected)
    np.testing.assert_array_equal(found.scores, np.take_along_axis(queries @ candidates.T, expected, axis=1))


@pytest.mark.parametrize("sizes", [ONE, SPLIT])
@pytest.mark.parametrize("crowd", [0, 400])
def test_unit_rows_are_found_by_float32_scores(sizes, crowd: int) -> None:
    """Also in a crowd of near-duplicates, whose order bfloat16 cannot tell."""
    random = np.random.default_rng(1)
    queries, candidates = (unit(random, n, 32) for n in (19, 3000))
    places = random.choice(3000, crowd, replace=False)
    candidates[places] = queries.mean(axis=0) + 1e-4 * unit(random, crowd, 32)
    queries, candidates = queries.astype(np.float32), candidates.astype(np.float32)
    candidates[places] *= 8.0
    found = search(queries, candidates, 5, mesh=make_mesh(sizes), chunk_candidates=2048)
    scores = queries.astype(np.float64) @ candidates.T.astype(np.float64)
    best = np.take_along_axis(scores, sort_everything(queries, candidates, 5), axis=1)
    np.testing.assert_allclose(np.take_along_axis(scores, found.places, axis=1), best, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.scores, best, rtol=0, atol=1e-6)
    assert all(len(set(row)) == 5 for row in found.places.tolist())


def test_most_queries_need_one_pass_and_the_last_sorts(monkeypatch) -> None:
    passes = []
    run = module._Searcher.run

    def spy(self, queries, candidates, dtype):
        passes.append((dtype, queries.shape[0]))
        return run(self, queries, candidates, dtype)

    monkeypatch.setattr(module._Searcher, "run", spy)
    random = np.random.default_rng(2)
    queries, candidates = (unit(random, n, 64).astype(np.float32) for n in (16, 3000))
    search(queries, candidates, 3, mesh=make_mesh(ONE))
    assert passes[0] == (jnp.bfloat16, 16) and sum(count for _, count in passes[1:]) <= 4
    passes.clear()
    same = np.tile(queries[:1], (3000, 1))
    found = search(queries, same, 3, mesh=make_mesh(ONE))
    assert [count for _, count in passes] == [16, 16, 16] and passes[-1][0] is None
    assert found.places.tolist() == [[0, 1, 2]] * 16


def test_it_is_faiss() -> None:
    faiss = pytest.importorskip("faiss", reason="compares with faiss-cpu")
    random = np.random.default_rng(3)
    queries, candidates = (unit(random, n, 48).astype(np.float32) for n in (40, 5000))
    index = faiss.IndexFlatIP(48)
    index.add(candidates)
    scores, places = index.search(queries, 10)
    found = search(queries, candidates, 10, mesh=make_mesh(ONE))
    np.testing.assert_array_equal(found.places, places)
    np.testing.assert_allclose(found.scores, scores, atol=1e-6)


def test_as_many_as_there_are_and_no_more_than_a_chunk_at_a_time() -> None:
    class Rows:
        def __init__(self, rows: np.ndarray) -> None:
            self.rows, self.shape, self.most = rows, rows.shape, 0

        def __getitem__(self, rows: slice) -> np.ndarray:
            self.most = max(self.most, len(self.rows[rows]))
            return self.rows[rows]

    random = np.random.default_rng(4)
    queries, candidates = (Rows(random.normal(size=(n, 4)).astype(np.float32)) for n in (50, 300))
    found = search(queries, candidates, 300, mesh=make_mesh(ONE), chunk_queries=16, chunk_candidates=256)
    assert np.sort(found.places, axis=1).tolist() == [list(range(300))] * 50
    assert (np.diff(found.scores, axis=1) <= 0).all()
    assert (queries.most, candidates.most) == (16, 256)


def test_what_cannot_be_searched_is_refused() -> None:
    rows = np.eye(4, dtype=np.float32)
    broken = rows.copy()
    broken[2, 1] = np.nan
    for arguments, message in (
        ((rows, rows, 5), "take a k from 1 to 4"),
        ((rows, rows[:, :3], 1), "4 dimensions, candidates 3"),
        ((rows, broken, 1), "candidates hold values that are not finite"),
        ((broken, rows, 1), "queries hold values that are not finite"),
    ):
        with pytest.raises(ValueError, match=message):
            search(*arguments, mesh=make_mesh(ONE))


def test_a_mesh_that_training_has_set_does_not_matter() -> None:
    rows = np.eye(6, dtype=np.float32)
    with jax.set_mesh(make_mesh({"data": 2, "fsdp": 4, "model": 1})):
        assert search(rows, rows, 1).places[:, 0].tolist() == list(range(6))
