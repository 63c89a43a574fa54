"""k-means against faiss's golden run, brute force in float64, one device against eight, and an interruption."""

from __future__ import annotations

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from vlp.clustering import KMeans, cluster, kmeans, nearest_centres, sharded
from vlp.parallel.mesh import make_mesh

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "kmeans_faiss_seed0.npz"
ONE, EIGHT, SPLIT_CENTRES = (
    {"data": 1, "fsdp": 1},
    {"data": 4, "fsdp": 2},
    {"data": 2, "fsdp": 2, "model": 2},
)
SMALL = {"chunk_points": 300, "chunk_centres": 16}


def mesh(sizes):
    return make_mesh({"model": 1, **sizes})


def blobs(count=1013, dim=12, places=40, seed=0):
    random = np.random.default_rng(seed)
    middles = 3 * random.normal(size=(places, dim))
    return (middles[random.integers(places, size=count)] + random.normal(size=(count, dim))).astype(
        np.float32
    )


def squared_distances(points, centres):
    return ((points[:, None].astype(np.float64) - centres[None].astype(np.float64)) ** 2).sum(-1)


def lloyd(points, centres, iterations):
    """In float64, by its definition; no cluster may run empty."""
    objectives, centres = [], centres.astype(np.float64)
    for _ in range(iterations):
        distances = squared_distances(points, centres)
        objectives.append(distances.min(axis=1).sum())
        labels = distances.argmin(axis=1)
        centres = np.stack([points[labels == k].mean(axis=0, dtype=np.float64) for k in range(len(centres))])
    return centres, objectives


def multiply_in(monkeypatch, dtype):
    """Both kinds of processor can be tried, whichever this one is."""
    monkeypatch.setattr(sharded, "product_dtype", lambda platform: dtype)


def test_it_is_faiss_lloyd(monkeypatch):
    multiply_in(monkeypatch, jnp.bfloat16)
    golden = np.load(GOLDEN)
    points, initial, expected = golden["x"], golden["init_centroids"], golden["objective_per_iter"]

    def run(iterations):
        return cluster(points, KMeans(k=len(initial), iterations=iterations), mesh(ONE), initial=initial)

    np.testing.assert_allclose(run(1).centres, golden["centroids_after_1"], atol=1e-4)
    whole = run(int(golden["niter"]))
    np.testing.assert_allclose(whole.centres, golden["centroids_after_20"], atol=1e-4)
    np.testing.assert_allclose(whole.objective, expected[: len(whole.objective)], rtol=1e-4)
    assert whole.converged and len(expected) - 1 <= len(
        whole.objective
    )  # faiss sees a round later that it stands
    ids, distances = next(nearest_centres(points, whole.centres, 1, KMeans(k=10), mesh(ONE)))
    np.testing.assert_array_equal(ids[:, 0], golden["labels"])
    np.testing.assert_allclose(distances[:, 0], golden["sq_distances"], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("sizes", "dtype"),
    [(ONE, jnp.float32), (EIGHT, jnp.bfloat16), (SPLIT_CENTRES, jnp.bfloat16)],
    ids=["one", "eight", "split_centres"],
)
def test_chunks_blocks_and_devices_change_nothing(sizes, dtype, monkeypatch):
    multiply_in(monkeypatch, dtype)
    points = blobs() + 50.0  # far from zero, where bfloat16 alone could not tell them apart
    initial = points[:37]
    expected, objectives = lloyd(points, initial, 3)
    settings = KMeans(k=37, iterations=3, **SMALL)
    found = cluster(points, settings, mesh(sizes), initial=initial)
    np.testing.assert_allclose(found.centres, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found.objective, objectives, rtol=1e-5)
    distances = squared_distances(points, expected)
    chunks = list(nearest_centres(points, expected.astype(np.float32), 5, settings, mesh(sizes)))
    assert len(chunks) > 1
    ids, squares = (np.concatenate(parts) for parts in zip(*chunks, strict=True))
    assert ids.dtype == np.int32
    np.testing.assert_array_equal(ids, np.argsort(distances, axis=1)[:, :5])
    np.testing.assert_allclose(squares, np.sort(distances, axis=1)[:, :5], rtol=1e-3, atol=1e-3)


def test_bfloat16_leaves_the_assignment_of_near_ties_exact(monkeypatch):
    multiply_in(monkeypatch, jnp.bfloat16)
    random = np.random.default_rng(0)
    middle = random.normal(size=64)
    centres = (middle + 0.02 * random.normal(size=(50, 64))).astype(np.float32)
    centres[25:] += 2  # two bunches: less their common mean, the centres of one are still alike in bfloat16
    points = (centres[random.integers(50, size=400)] + 0.05 * random.normal(size=(400, 64))).astype(
        np.float32
    )
    nearest = squared_distances(points, centres).argmin(axis=1)
    found = cluster(points, KMeans(k=50, iterations=1), mesh(ONE), initial=centres)
    used = np.unique(nearest)
    means = np.stack([points[nearest == k].mean(axis=0) for k in used])
    np.testing.assert_allclose(found.centres[used], means, atol=1e-5)


def test_empty_clusters_take_half_of_the_largest():
    points = blobs(count=300, dim=4, places=3)
    far = np.full((3, 4), 1e3, np.float32) + np.arange(3, dtype=np.float32)[:, None]
    initial = np.concatenate([points[:5], far])
    found = cluster(points, KMeans(k=8, iterations=12), mesh(ONE), initial=initial)
    assert found.empty[0] == 3 and found.empty[-1] == 0
    assert np.abs(found.centres).max() < 100
    assert (np.diff(found.objective[1:]) <= 1e-6 * found.objective[-1]).all()


def test_splitting_spares_single_points_and_takes_the_first_of_equals():
    centres = np.ones((5, 2), np.float32) * np.arange(1, 6, dtype=np.float32)[:, None]
    kmeans.split_largest(centres, np.array([3, 0, 1, 3, 0]))
    np.testing.assert_allclose(
        centres[:, 0], [1 + 1 / 1024, 1 - 1 / 1024, 3, 4 * (1 + 1 / 1024), 4 * (1 - 1 / 1024)], rtol=0
    )
    alone = np.ones((2, 2), np.float32)
    kmeans.split_largest(alone, np.array([1, 0]))
    np.testing.assert_array_equal(alone, 1)


def test_duplicates_of_one_point_fill_one_cluster_and_are_counted():
    found = cluster(np.ones((20, 3), np.float32), KMeans(k=3, iterations=5), mesh(ONE))
    assert found.empty[0] == 2 and np.isfinite(found.centres).all()


@pytest.mark.parametrize("init", ["random", "kmeans++"])
def test_first_centres_are_different_points_that_the_seed_chooses(init):
    points = blobs(count=500)

    def first(seed):
        settings = KMeans(k=130, iterations=0, init=init, seed=seed, **SMALL)
        return cluster(points, settings, mesh(ONE)).centres

    centres = first(0)
    assert len(np.unique(centres, axis=0)) == 130
    assert squared_distances(centres, points).min(axis=1).max() == 0
    np.testing.assert_array_equal(first(0), centres)
    assert (first(1) != centres).any()


def test_plus_plus_finds_every_far_group():
    random = np.random.default_rng(3)
    points = np.repeat(100 * np.eye(12, dtype=np.float32), 30, axis=0)
    points += random.normal(size=points.shape).astype(np.float32)
    found = cluster(points, KMeans(k=12, iterations=1), mesh(ONE))
    assert found.objective[0] < 30 * 12 * 12 * 4


def test_spherical_centres_are_means_of_directions():
    points = blobs(count=400, dim=6, places=8) * np.linspace(0.1, 9, 400, dtype=np.float32)[:, None]
    found = cluster(points, KMeans(k=8, iterations=15, spherical=True), mesh(EIGHT))
    np.testing.assert_allclose(np.linalg.norm(found.centres, axis=1), 1, atol=1e-6)
    units = points / np.linalg.norm(points, axis=1, keepdims=True)
    cosines = units @ found.centres.T
    assert found.objective[-1] == pytest.approx((2 - 2 * cosines.max(axis=1)).sum(), rel=1e-2)
    ids, _ = next(nearest_centres(points, found.centres, 3, KMeans(k=8, spherical=True), mesh(ONE)))
    np.testing.assert_array_equal(ids, np.argsort(-cosines, axis=1)[:, :3])


class Stopped(Exception):
    pass


def test_interrupted_it_ends_with_the_same_bits(tmp_path):
    points = blobs()
    settings = KMeans(k=20, iterations=6, **SMALL)
    whole = cluster(points, settings, mesh(EIGHT))

    def stop(progress):
        if progress.iteration in (2, 3):
            raise Stopped

    for _ in range(2):
        with pytest.raises(Stopped):
            cluster(points, settings, mesh(EIGHT), folder=tmp_path, report=stop)
    resumed = cluster(points, settings, mesh(EIGHT), folder=tmp_path)
    assert resumed.centres.tobytes() == whole.centres.tobytes()
    assert resumed.objective == whole.objective and resumed.empty == whole.empty
    with pytest.raises(ValueError, match=r"begun with k=20, not 21"):
        cluster(points, KMeans(k=21, iterations=6, **SMALL), mesh(EIGHT), folder=tmp_path)
    (tmp_path / "kmeans.npz").write_bytes(b"torn")
    with pytest.raises(ValueError, match="remove it to begin anew"):
        cluster(points, settings, mesh(EIGHT), folder=tmp_path)


def test_memory_mapped_points_are_read_in_slices(tmp_path, monkeypatch):
    points = blobs()
    np.save(tmp_path / "points.npy", points)
    monkeypatch.setattr(sharded, "RESIDENT_BYTES", 0)
    settings = KMeans(k=9, iterations=2, **SMALL)
    mapped = cluster(np.load(tmp_path / "points.npy", mmap_mode="r"), settings, mesh(ONE))
    assert mapped.centres.tobytes() == cluster(points, settings, mesh(ONE)).centres.tobytes()


@pytest.mark.parametrize(
    ("points", "settings", "message"),
    [
        (np.zeros((3, 2), np.float32), KMeans(k=4), "k=4 centres need as many points, and there are 3"),
        (np.full((5, 2), np.nan, np.float32), KMeans(k=2, init="random"), "not finite"),
    ],
)
def test_what_cannot_be_clustered_is_said(points, settings, message):
    with pytest.raises(ValueError, match=message):
        cluster(points, settings, mesh(ONE))


def test_more_nearest_centres_than_there_are_is_an_error():
    with pytest.raises(ValueError, match="5 nearest centres of 3"):
        nearest_centres(np.zeros((4, 2), np.float32), np.zeros((3, 2), np.float32), 5, KMeans(k=3), mesh(ONE))


def test_first_centres_of_another_shape_are_an_error():
    with pytest.raises(ValueError, match=r"initial centres \(3, 2\) are not \(k, dim\) = \(4, 2\)"):
        cluster(np.zeros((5, 2), np.float32), KMeans(k=4), mesh(ONE), initial=np.zeros((3, 2), np.float32))


def test_an_empty_cluster_takes_half_of_the_largest_whatever_their_order():
    for counts in ([9, 3, 0], [3, 9, 0], [0, 3, 9]):
        centres = np.asarray([[1.0, 1.0], [2.0, 2.0], [4.0, 4.0]], np.float32)
        before, (empty, largest) = centres.copy(), (counts.index(0), counts.index(9))
        kmeans.split_largest(centres, np.array(counts))
        np.testing.assert_allclose(
            centres[largest], before[largest] * [1 + 1 / 1024, 1 - 1 / 1024], rtol=1e-7
        )
        np.testing.assert_allclose(centres[empty], before[largest] * [1 - 1 / 1024, 1 + 1 / 1024], rtol=1e-7)
        other = counts.index(3)
        np.testing.assert_array_equal(centres[other], before[other])


def test_halves_are_split_again_by_what_they_hold():
    """12 points: 6 and 6, then the first half again; 4 of another cluster stay whole until it is their turn."""
    centres = np.asarray([[8.0], [1.0], [0.0], [0.0], [0.0]], np.float32)
    kmeans.split_largest(centres, np.array([12, 4, 0, 0, 0]))
    assert (np.abs(centres[[0, 2, 3, 4], 0] - 8) < 0.1).all() and centres[1, 0] == 1.0
    centres = np.asarray([[8.0], [1.0], [0.0], [0.0]], np.float32)
    kmeans.split_largest(centres, np.array([12, 7, 0, 0]))  # after 6 and 6, the 7 are the most
    np.testing.assert_allclose(centres[2:, 0], [8, 1], rtol=2e-3)


def test_spherical_centres_have_length_one_also_right_after_a_split():
    points = blobs(count=100, dim=4, places=2)
    far = -points[:1] * 1e3
    initial = np.concatenate([points[:2], far, far * 2])
    found = cluster(points, KMeans(k=4, iterations=1, spherical=True), mesh(ONE), initial=initial)
    assert found.empty[0] >= 1
    np.testing.assert_allclose(np.linalg.norm(found.centres, axis=1), 1, atol=1e-7)


def test_it_says_whether_it_converged_and_stops_there():
    points = np.repeat(np.asarray([[0.0, 0.0], [10.0, 0.0]], np.float32), 5, axis=0)
    found = cluster(points, KMeans(k=2, iterations=9), mesh(ONE), initial=points[[0, 9]] + np.float32(0.1))
    assert found.converged and len(found.objective) == 2
    short = cluster(points, KMeans(k=2, iterations=1), mesh(ONE), initial=points[[0, 9]] + np.float32(0.1))
    assert not short.converged and short.objective == found.objective[:1]
    assert found.objective[1] == pytest.approx(0.0, abs=1e-6)


def test_a_centre_stands_still_that_moves_by_less_than_a_millionth_of_the_largest_coordinate():
    points = (1e4 + np.asarray([[-1.0], [1.0], [0.0]])).astype(np.float32)
    for offset, still in ((0.005, True), (0.05, False)):
        initial = np.asarray([[1e4 + offset]], np.float32)
        assert cluster(points, KMeans(k=1, iterations=1), mesh(ONE), initial=initial).converged == still
