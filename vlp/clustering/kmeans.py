"""Lloyd's k-means (Lloyd 1982, Least squares quantization in PCM), seeded, and resumed where it was interrupted."""

from __future__ import annotations

import dataclasses
import heapq
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float32, Int, Int32

from input_pipeline.errors import UserError
from vlp.clustering import state
from vlp.clustering.initial import INITIAL
from vlp.clustering.settings import KMeans
from vlp.clustering.sharded import Clusterer, Points, unit_rows

ROUNDING = 1e-6  # a centre that moves by less, relative to the largest coordinate, stands still
SPLIT = 1 / 1024  # how far, relative to themselves, the two halves of a split cluster start from its centre


@dataclasses.dataclass(frozen=True)
class Progress:
    """One iteration: its number from 1, the objective of its assignment, and the clusters found empty."""

    iteration: int
    objective: float
    empty: int


@dataclasses.dataclass(frozen=True, eq=False)
class Clustering:
    """Centres, and how they came about: an entry of `objective` and of `empty` for every iteration."""

    centres: Float32[np.ndarray, "k dim"]
    objective: tuple[float, ...] = ()
    empty: tuple[int, ...] = ()
    converged: bool = False


def cluster(
    points: Points,
    settings: KMeans,
    mesh: Mesh,
    *,
    initial: Float32[np.ndarray, "k dim"] | None = None,
    folder: Path | None = None,
    report: Callable[[Progress], None] = lambda progress: None,
) -> Clustering:
    """Clusters points; the same centres, to the bit, whether it was interrupted or not.

    Args:
      points: [n, dim]; read in chunks, and again in every iteration unless they fit on the devices.
      settings: what is wanted.
      mesh: points are split over its data and fsdp axes, centres over its model axis.
      initial: first centres, in place of those that `settings.init` chooses.
      folder: an existing folder that keeps the state after each iteration and is gone on from; None keeps nothing.
      report: called after each iteration.

    Raises:
      ValueError: fewer points than centres, first centres of another shape, points that are not finite, or a state
        in the folder of other settings.
    """
    if points.shape[0] < settings.k:
        raise UserError(
            f"k={settings.k} centres need as many points, and there are {points.shape[0]}: lower k"
        )
    clusterer = _clusterer(settings, mesh)
    if initial is not None and initial.shape != (settings.k, points.shape[1]):
        raise UserError(f"initial centres {initial.shape} are not (k, dim) = {(settings.k, points.shape[1])}")
    asked = {**dataclasses.asdict(settings), "points": list(points.shape)}
    asked.pop("iterations")  # more of them go on from where fewer ended
    found = state.load(folder, asked) if folder else None
    if found is None:
        centres = initial if initial is not None else INITIAL[settings.init](points, settings, mesh)
        found = {"centres": unit_rows(centres) if settings.spherical else np.asarray(centres, np.float32)}
    current = Clustering(**found)
    while len(current.objective) < settings.iterations and not current.converged:
        current = _iterate(clusterer, points, current)
        if folder:
            state.save(folder, asked, vars(current))
        report(Progress(len(current.objective), current.objective[-1], current.empty[-1]))
    return current


def nearest_centres(
    points: Points, centres: Float32[np.ndarray, "k dim"], count: int, settings: KMeans, mesh: Mesh
) -> Iterator[tuple[Int32[np.ndarray, "n count"], Float32[np.ndarray, "n count"]]]:
    """Yields the `count` nearest centres of each point and their squared distances, nearest first, chunk by chunk.

    Raises:
      ValueError: more are asked for than there are.
    """
    if count > len(centres):
        raise UserError(f"{count} nearest centres of {len(centres)}: ask for fewer, or for more clusters")
    return _clusterer(settings, mesh, len(centres)).nearest(points, centres, count)


def _clusterer(settings: KMeans, mesh: Mesh, k: int = 0) -> Clusterer:
    return Clusterer(
        mesh,
        k or settings.k,
        chunk_points=settings.chunk_points,
        chunk_centres=settings.chunk_centres,
        spherical=settings.spherical,
    )


def _iterate(clusterer: Clusterer, points: Points, current: Clustering) -> Clustering:
    means = clusterer.step(points, current.centres)
    centres = unit_rows(means.centres) if clusterer.spherical else means.centres
    split_largest(centres, means.counts)
    if clusterer.spherical:
        centres = unit_rows(centres)
    return Clustering(
        centres=centres,
        objective=(*current.objective, means.objective),
        empty=(*current.empty, int((means.counts == 0).sum())),
        # Not equal to the bit: sums round with the shift of the centres' mean, which moves with them.
        converged=bool(np.abs(centres - current.centres).max() <= ROUNDING * np.abs(centres).max()),
    )


def split_largest(centres: Float32[np.ndarray, "k dim"], counts: Int[np.ndarray, " k"]) -> None:
    """Gives each empty cluster half of what is then the largest one, in place; of equally large ones the first.

    Both halves start beside the old centre, moved by 1/1024 of each coordinate in opposite directions, as faiss does
    it, whose choice of the cluster to split is random. A cluster of a single point is not split.
    """
    sizes = [(-int(size), number) for number, size in enumerate(counts) if size > 1]
    heapq.heapify(sizes)
    sign = np.where(np.arange(centres.shape[1]) % 2, -SPLIT, SPLIT).astype(np.float32)
    for empty in np.flatnonzero(counts == 0):
        if not sizes:
            return
        negative, largest = heapq.heappop(sizes)
        centres[empty] = centres[largest] * (1 - sign)
        centres[largest] *= 1 + sign
        half = -negative // 2
        for size, number in ((-negative - half, largest), (half, int(empty))):
            if size > 1:
                heapq.heappush(sizes, (-size, number))
