"""Our k-means and faiss's from the same initial centres, alternated in one run on the same cores.

faiss is a peer, not a dependency: `pip install faiss-cpu` beside vlp; where it is absent its row is left out.

    python -m benchmarks.kmeans [--points=200000] [--dim=128] [--k=1000] [--iterations=10] [--rounds=3]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import jax
import numpy as np

from benchmarks.harness import alternated
from vlp.clustering import KMeans, cluster
from vlp.clustering.sharded import product_dtype
from vlp.huge_pages import restart_with_huge_pages
from vlp.parallel.mesh import make_mesh

Run = Callable[[], np.ndarray]


def mixture(points: int, dim: int, seed: int = 0) -> np.ndarray:
    """Points around a thousand places, so near to each other that the clusters overlap."""
    random = np.random.default_rng(seed)
    places = random.normal(size=(1000, dim)).astype(np.float32)
    return places[random.integers(1000, size=points)] + random.normal(size=(points, dim)).astype(np.float32)


def ours(points: np.ndarray, initial: np.ndarray, iterations: int) -> Run:
    """Returns the final centres, each time it is called."""
    mesh = make_mesh({"data": jax.device_count(), "fsdp": 1, "model": 1})

    def run() -> np.ndarray:
        settings = KMeans(k=len(initial), iterations=iterations)
        return cluster(points, settings, mesh, initial=initial).centres

    return run


def faiss_kmeans(points: np.ndarray, initial: np.ndarray, iterations: int) -> Run | None:
    """The same by faiss, without subsampling; None where faiss is not installed."""
    try:
        import faiss
    except ImportError:
        print("faiss is left out: it is not installed")
        return None

    def run() -> np.ndarray:
        kmeans = faiss.Kmeans(
            points.shape[1],
            len(initial),
            niter=iterations,
            max_points_per_centroid=10**9,
            min_points_per_centroid=1,
        )
        kmeans.train(points, init_centroids=initial)
        return kmeans.centroids

    return run


def objective(points: np.ndarray, centres: np.ndarray) -> float:
    """Sum of squared distances to the nearest centre, in float64 but for the product."""
    norms = np.einsum("kd,kd->k", centres, centres, dtype=np.float64)
    total = np.einsum("nd,nd->", points, points, dtype=np.float64)
    for start in range(0, len(points), 8192):
        scores = points[start : start + 8192] @ centres.T
        total += (norms - 2 * scores).min(axis=1).sum()
    return float(total)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=200_000)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--k", type=int, default=1000)
    parser.add_argument("--iterations", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    restart_with_huge_pages()
    points = mixture(options.points, options.dim)
    initial = points[np.random.default_rng(1).choice(options.points, options.k, replace=False)].copy()
    runs = {"vlp": ours(points, initial, options.iterations)}
    ours(points, initial, 1)()  # compiles
    other = faiss_kmeans(points, initial, options.iterations)
    if other is not None:
        runs["faiss"] = other
    times = alternated(runs, options.rounds)
    print(
        f"{options.points} points, {options.dim} dimensions, k={options.k}, {options.iterations} iterations, "
        f"{options.rounds} rounds, products in {product_dtype(jax.default_backend()).__name__}"
    )
    last, reference = list(times.items())[-1]
    objectives = {name: objective(points, taken.result) for name, taken in times.items()}
    for name, taken in times.items():
        print(
            f"{name:<6} median {taken.seconds:6.2f} s  min {min(taken.wall):6.2f} s  "
            f"to {last} {taken.to(reference):.2f}  "
            f"objective {objectives[name]:.6e} ({objectives[name] / objectives[last] - 1:+.4%})"
        )


if __name__ == "__main__":
    main()
