"""Our exact search and faiss's flat index, alternated in one run on the same cores; both find the same.

faiss is a peer, not a dependency: `pip install faiss-cpu` beside vlp; where it is absent its row is left out. Wall time
is what counts on a quiet machine; on a busy one processor time says more, though faiss's threads spend some waiting.

    python -m benchmarks.search [--queries=10000] [--candidates=10000] [--dim=512] [--k=10] [--rounds=3]
    python -m benchmarks.search --queries=100000 --candidates=100000 --rounds=1
    python -m benchmarks.search --queries=2000 --candidates=1000000 --rounds=1 --alone
"""

from __future__ import annotations

import argparse
import functools
import statistics
from collections.abc import Callable

import jax
import numpy as np

from benchmarks.harness import alternated, peak_gib
from vlp.clustering.sharded import product_dtype
from vlp.huge_pages import restart_with_huge_pages
from vlp.neighbours.search import search

Run = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def unit_rows(count: int, dim: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, dim), np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def faiss_search(candidates: np.ndarray, k: int) -> Run | None:
    """Scores and places by faiss; None where it is not installed."""
    try:
        import faiss
    except ImportError:
        print("faiss is left out: it is not installed")
        return None
    index = faiss.IndexFlatIP(candidates.shape[1])
    index.add(candidates)
    return lambda queries: index.search(queries, k)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--candidates", type=int, default=10_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--alone", action="store_true", help="without faiss, which copies the candidates")
    options = parser.parse_args()
    restart_with_huge_pages()
    queries, candidates = (
        unit_rows(count, options.dim, seed)
        for seed, count in enumerate((options.queries, options.candidates))
    )

    def ours(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = search(rows, candidates, options.k)
        return found.scores, found.places

    runs: dict[str, Run] = {"vlp": ours}
    peer = None if options.alone else faiss_search(candidates, options.k)
    if peer is not None:
        runs["faiss"] = peer
    # Compiles every shape there is: whole chunks of queries, and what is left.
    ours(queries)
    times = alternated({name: functools.partial(run, queries) for name, run in runs.items()}, options.rounds)
    print(
        f"{options.queries} x {options.candidates} x {options.dim}, k={options.k}, {options.rounds} rounds, "
        f"products in {product_dtype(jax.default_backend()).__name__}, host memory at most "
        f"{peak_gib():.1f} GiB"
    )
    last, reference = list(times.items())[-1]
    for name, taken in times.items():
        rate = 2 * options.queries * options.candidates * options.dim / taken.seconds / 1e9
        same = np.mean(taken.result[1] == reference.result[1])
        print(
            f"{name:<6} wall {taken.seconds:7.2f} s ({rate:5.0f} GFLOP/s, to {last} {taken.to(reference):.2f})  "
            f"processor {statistics.median(taken.processor):7.2f} s  equal places {same:.6f}"
        )


if __name__ == "__main__":
    main()
