"""The first centres: some of the points, chosen from the seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float32, Int64

from vlp.clustering.settings import KMeans
from vlp.clustering.sharded import Clusterer, Points, unit_rows

ROUNDS = 64
SAMPLE, SAMPLE_PER_CENTRE = 65536, 8


def random_points(points: Points, settings: KMeans, mesh: Mesh) -> Float32[np.ndarray, "k dim"]:
    """Returns k different points, each as likely as any other."""
    return _rows(points, _choose(points.shape[0], settings.k, np.random.default_rng(settings.seed)))


def plus_plus(points: Points, settings: KMeans, mesh: Mesh) -> Float32[np.ndarray, "k dim"]:
    """Returns k-means++ (Arthur and Vassilvitskii 2007): points drawn by their squared distance to those drawn before.

    With more than 64 centres, k / 64 are drawn between two looks at the distances, as in k-means|| (Bahmani et al.
    2012), so that all of it costs about one assignment. Beyond 65,536 points and 8 a centre it works on a random
    sample.
    """
    dice = np.random.default_rng(settings.seed)
    count = min(points.shape[0], max(SAMPLE, SAMPLE_PER_CENTRE * settings.k))
    sample = _rows(points, _choose(points.shape[0], count, dice))
    if settings.spherical:
        sample = unit_rows(sample)
    at_once = -(-settings.k // ROUNDS)
    clusterer = Clusterer(
        mesh,
        at_once,
        chunk_points=settings.chunk_points,
        chunk_centres=settings.chunk_centres,
        spherical=settings.spherical,
    )
    chosen = dice.integers(count, size=1)
    squares = np.full(count, np.inf, np.float32)
    new = chosen
    while len(chosen) < settings.k:
        centres = sample[np.resize(new, at_once)]  # one shape, one compilation
        found = [distances[:, 0] for _, distances in clusterer.nearest(sample, centres)]
        squares = np.minimum(squares, np.concatenate(found))
        squares[chosen] = 0
        new = _draw(squares, min(at_once, settings.k - len(chosen)), chosen, dice)
        chosen = np.concatenate([chosen, new])
    return sample[chosen]


def _draw(
    weights: Float32[np.ndarray, " n"], count: int, taken: Int64[np.ndarray, " c"], dice: np.random.Generator
) -> Int64[np.ndarray, " count"]:
    """`count` different places, none taken, by weight; those of weight 0 only when no others are left."""
    with np.errstate(divide="ignore"):
        keys = np.log(np.maximum(weights, 1e-30)) + dice.gumbel(size=len(weights))
    keys[taken] = -np.inf
    return np.sort(np.argpartition(-keys, count - 1)[:count])


def _choose(total: int, count: int, dice: np.random.Generator) -> Int64[np.ndarray, " count"]:
    return np.sort(dice.choice(total, count, replace=False, shuffle=False))


def _rows(points: Points, places: Int64[np.ndarray, " count"]) -> Float32[np.ndarray, "count dim"]:
    """Some rows of points that may lie on a disk; `places` ascend."""
    chosen = np.empty((len(places), points.shape[1]), np.float32)
    step = 65536
    for first in range(0, len(places), step):
        part = places[first : first + step]
        chosen[first : first + step] = _read(points, part)
    return chosen


def _read(points: Points, places: Int64[np.ndarray, " count"]) -> Float32[np.ndarray, "count dim"]:
    if len(places) * 4 > places[-1] - places[0]:  # dense enough to read all that lies between
        return np.asarray(points[int(places[0]) : int(places[-1]) + 1], np.float32)[places - places[0]]
    return np.concatenate([np.asarray(points[int(place) : int(place) + 1], np.float32) for place in places])


INITIAL: Mapping[str, Callable[[Points, KMeans, Mesh], Float32[np.ndarray, "k dim"]]] = {
    "random": random_points,
    "kmeans++": plus_plus,
}
