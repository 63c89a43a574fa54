"""What one device computes, and what is made of it: leaders, doubt after rounding, one step, the first centres."""

from __future__ import annotations

import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vlp.clustering import KMeans, blocks, cluster, initial, nearest_centres, sharded
from vlp.parallel.mesh import make_mesh

MESH = {"data": 1, "fsdp": 1, "model": 1}
POINTS = np.random.default_rng(0).integers(-3, 4, (16, 3)).astype(np.float32)
CENTRES = np.random.default_rng(1).integers(-3, 4, (12, 3)).astype(np.float32)
CENTRES[7] = CENTRES[2]  # equal ones in two blocks, and in one
CENTRES[6] = CENTRES[5]


def scores():
    """Of whole numbers, which bfloat16 holds exactly."""
    return POINTS @ CENTRES.T - (CENTRES**2).sum(axis=1) / 2


def cut(block):
    return blocks.cut(jnp.asarray(CENTRES), jnp.asarray((CENTRES**2).sum(axis=1) / 2), block)


@pytest.mark.parametrize("block", [4, 12])
@pytest.mark.parametrize("limit", [0.0, 3.0])
def test_leaders_are_the_first_of_the_best_and_bfloat16_knows_where_others_come_near(block, limit):
    order, limits = np.argsort(-scores(), axis=1, kind="stable"), jnp.full(len(POINTS), limit)
    best, second = np.sort(scores(), axis=1)[:, :-3:-1].T
    for dtype in (jnp.bfloat16, jnp.float32):
        found = jax.jit(lambda x, dtype=dtype: blocks.leaders(x, cut(block), limits, block=8, dtype=dtype))(
            POINTS
        )
        np.testing.assert_array_equal(found.best, best)
        if dtype == jnp.bfloat16:
            clear = best - second > limit
            np.testing.assert_array_equal(found.unsure, ~clear)
            assert 0 < clear.sum() < len(clear)
            np.testing.assert_array_equal(found.place[clear], order[clear, 0])
        else:
            np.testing.assert_array_equal(found.place, order[:, 0])


def test_the_best_of_many_are_in_order_and_of_equals_the_first():
    best, places = jax.jit(lambda x: blocks.top_centres(x, cut(4), 6, block=8))(POINTS)
    order = np.argsort(-scores(), axis=1, kind="stable")[:, :6]
    np.testing.assert_array_equal(places, order)
    np.testing.assert_array_equal(best, np.take_along_axis(scores(), order, axis=1))


@pytest.mark.parametrize(("dim", "share"), [(2, 2.0**-7), (288, 2.0**-10)])
def test_scores_are_in_doubt_up_to_what_rounding_can_move_them(dim, share):
    points = np.zeros((4, dim), np.float32)
    points[:, 0] = 0.0, 1.0, 2.0, 4.0
    np.testing.assert_allclose(blocks.doubt(points, jnp.float32(3.0)), share * 3.0 * points[:, 0], rtol=1e-6)


def clusterer(k, sizes=MESH, **settings):
    asked = {"chunk_points": 300, "chunk_centres": 16, "spherical": False} | settings
    return sharded.Clusterer(make_mesh(sizes), k, **asked)


def test_a_step_leaves_the_centre_of_an_empty_cluster_where_it_was():
    points = np.asarray([[0.0, 0.0], [2.0, 0.0], [9.0, 1.0]], np.float32)
    centres = np.asarray([[1.0, 1.0], [50.0, 50.0], [9.0, 0.0]], np.float32)
    means = clusterer(3).step(points, centres)
    np.testing.assert_allclose(means.centres, [[1.0, 0.0], [50.0, 50.0], [9.0, 1.0]], atol=1e-5)
    assert means.counts.tolist() == [2, 0, 1] and means.objective == pytest.approx(5.0, rel=1e-5)


def test_chunks_are_whole_blocks_of_every_device_and_centres_equal_ones():
    assert clusterer(100, chunk_points=10_000).chunk_points == 10_240  # blocks of 512
    split = clusterer(100, {"data": 4, "fsdp": 2, "model": 1}, chunk_centres=30)
    assert split.chunk_points == 320  # 8 devices, 40 each
    assert split._filled == 100  # four blocks of 25
    assert clusterer(40_001, chunk_centres=40_001)._filled == 40_002  # two blocks, of at most 2^15


def test_points_are_read_in_equal_chunks():
    """At most 1,536 of 2,000 at a time are twice 1,024, and not 1,536 and a third of as many more."""
    points = np.random.default_rng(2).normal(size=(2_000, 4)).astype(np.float32)
    chunks = clusterer(3, chunk_points=1_500)._chunks(points)
    assert [(len(rows), valid) for rows, _, valid in chunks] == [(1_024, 1_024), (1_024, 976)]
    assert not list(clusterer(3)._chunks(points[:0]))
    few = clusterer(3, chunk_points=1_500)._chunks(points[:700])
    assert [(len(rows), valid) for rows, _, valid in few] == [(1_024, 700)]


def test_as_many_centres_as_points_and_as_many_nearest_as_centres():
    points = np.asarray([[0.0, 3.0], [4.0, 0.0], [0.0, 0.0]], np.float32)
    mesh, settings = make_mesh(MESH), KMeans(k=3, iterations=2)
    found = cluster(points, settings, mesh, initial=points)
    np.testing.assert_allclose(found.centres, points, atol=1e-6)
    ids, squares = next(nearest_centres(points, points, 3, settings, mesh))
    assert ids.tolist() == [[0, 2, 1], [1, 2, 0], [2, 0, 1]]
    np.testing.assert_allclose(squares, [[0, 9, 25], [0, 16, 25], [0, 9, 16]], atol=1e-4)
    assert (squares >= 0).all()


def test_what_is_reported_is_what_is_returned_and_more_iterations_go_on(tmp_path):
    points, mesh, told = np.random.default_rng(3).normal(size=(60, 2)).astype(np.float32), make_mesh(MESH), []
    begun = cluster(points, KMeans(k=5, iterations=2), mesh, folder=tmp_path, report=told.append)
    ended = cluster(points, KMeans(k=5, iterations=4), mesh, folder=tmp_path, report=told.append)
    assert [one.iteration for one in told] == [1, 2, 3, 4]
    assert tuple(one.objective for one in told) == ended.objective and begun.objective == ended.objective[:2]
    assert tuple(one.empty for one in told) == ended.empty


@pytest.mark.parametrize(("k", "count"), [(10, 40), (3, 20), (130, 500)])
def test_first_centres_come_from_a_sample_of_large_sets(k, count, monkeypatch):
    asked, choose = [], initial._choose
    monkeypatch.setattr(initial, "SAMPLE", 20)
    monkeypatch.setattr(initial, "SAMPLE_PER_CENTRE", 4)
    monkeypatch.setattr(initial, "_choose", lambda *given: asked.append(given[:2]) or choose(*given))
    points = np.random.default_rng(5).normal(size=(500, 2)).astype(np.float32)
    centres = initial.plus_plus(points, KMeans(k=k), make_mesh(MESH))
    assert asked == [(500, count)] and len(np.unique(centres, axis=0)) == k


def test_places_are_drawn_by_weight_and_those_without_any_come_last():
    dice = np.random.default_rng(0)
    none = np.zeros(1, np.int64)
    drawn = [initial._draw(np.asarray([9.0, 1.0, 3.0], np.float32), 1, none, dice)[0] for _ in range(400)]
    assert set(drawn) == {1, 2} and abs(np.mean(np.asarray(drawn) == 2) - 0.75) < 0.09
    for _ in range(20):
        found = initial._draw(np.asarray([0, 0, 5, 0, 3], np.float32), 3, np.asarray([2]), dice)
        assert 4 in found and 2 not in found and len(set(found)) == 3 and (np.diff(found) > 0).all()


def test_rows_far_apart_and_rows_close_together_are_the_same_rows():
    points = np.random.default_rng(2).normal(size=(1000, 3)).astype(np.float32)
    for places in ([0, 500, 999], [10, 11, 14], [7]):
        np.testing.assert_array_equal(initial._rows(points, np.asarray(places)), points[places])


def test_plus_plus_looks_at_directions_alone_where_centres_are_spherical():
    """Twelve directions, each with points of very different lengths."""
    random = np.random.default_rng(4)
    points = (
        np.repeat(np.eye(12, dtype=np.float32), 20, axis=0)
        * np.geomspace(0.01, 100, 240)[random.permutation(240), None]
    )
    found = initial.plus_plus(points.astype(np.float32), KMeans(k=12, spherical=True), make_mesh(MESH))
    assert sorted(found.argmax(axis=1)) == list(range(12))


@pytest.mark.parametrize(
    ("platform", "flags", "dtype"),
    [
        ("gpu", "", jnp.bfloat16),
        ("cpu", "sse4 avx2", jnp.float32),
        ("cpu", "sse4 avx512_bf16", jnp.bfloat16),
        ("cpu", "sse4 amx_bf16", jnp.bfloat16),
    ],
)
def test_products_are_in_bfloat16_where_a_processor_has_it(platform, flags, dtype, monkeypatch):
    monkeypatch.setattr(Path, "exists", lambda path: True)
    monkeypatch.setattr(Path, "read_text", lambda path, encoding: f"flags : {flags}")
    assert sharded.product_dtype(platform) == dtype


def test_rows_of_zeros_have_no_direction_and_sizes_are_rounded_up():
    np.testing.assert_allclose(sharded.unit_rows(np.asarray([[3.0, 4.0], [0.0, 0.0]])), [[0.6, 0.8], [0, 0]])
    assert [sharded.round_up(number, 8) for number in (1, 8, 9)] == [8, 8, 16]
    assert math.isinf(blocks.NO_CENTRE) and blocks.NO_CENTRE > 0


def test_what_is_not_asked_for_is_as_documented():
    asked = KMeans(
        k=3, iterations=20, init="kmeans++", spherical=False, seed=0, chunk_points=65_536, chunk_centres=2048
    )
    assert KMeans(k=3) == asked
