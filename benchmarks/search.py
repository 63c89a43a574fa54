"""Our exact search and faiss's flat index, alternated in one run on the same cores; both find the same.

faiss is a peer, not a dependency: `pip install faiss-cpu` beside vlp; where it is absent its row is left out. Wall time
is what counts on a quiet machine; on a busy one processor time says more, though faiss's threads spend some waiting.

    python benchmarks/search.py [--queries=10000] [--candidates=10000] [--dim=512] [--k=10] [--rounds=3]
    python benchmarks/search.py --queries=100000 --candidates=100000 --rounds=1
    python benchmarks/search.py --queries=2000 --candidates=1000000 --rounds=1 --alone
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import jax
import numpy as np

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


def timed(run: Run, queries: np.ndarray) -> tuple[float, float, np.ndarray]:
    """Wall and processor seconds, and the places that were found."""
    wall, processor = time.perf_counter(), time.process_time()
    _, places = run(queries)
    return time.perf_counter() - wall, time.process_time() - processor, places


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
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    places: dict[str, np.ndarray] = {}
    for _ in range(options.rounds):
        for name, run in runs.items():
            wall, processor, places[name] = timed(run, queries)
            seconds[name].append((wall, processor))
    print(
        f"{options.queries} x {options.candidates} x {options.dim}, k={options.k}, {options.rounds} rounds, "
        f"products in {product_dtype(jax.default_backend()).__name__}, host memory at most "
        f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GiB"
    )
    last = list(runs)[-1]
    for name, times in seconds.items():
        wall, processor = (statistics.median(one) for one in zip(*times, strict=True))
        ratio = statistics.median(a[0] / b[0] for a, b in zip(times, seconds[last], strict=True))
        rate = 2 * options.queries * options.candidates * options.dim / wall / 1e9
        same = np.mean(places[name] == places[last])
        print(
            f"{name:<6} wall {wall:7.2f} s ({rate:5.0f} GFLOP/s, to {last} {ratio:.2f})  processor {processor:7.2f} s  "
            f"equal places {same:.6f}"
        )


if __name__ == "__main__":
    main()
