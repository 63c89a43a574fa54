"""Ranks of right answers by blocks on all devices, beside numpy's products in float64, block by block, in one run.

python -m benchmarks.ranks [--queries=4000] [--candidates=20000] [--dim=512] [--rounds=3]
python -m benchmarks.ranks --queries=20000 --candidates=100000 --rounds=1
python -m benchmarks.ranks --queries=1000000 --candidates=1000000 --rounds=1 --alone    on an accelerator
"""

from __future__ import annotations

import argparse

import jax
import numpy as np

from benchmarks.harness import alternated, peak_gib
from benchmarks.search import unit_rows
from vlp.huge_pages import restart_with_huge_pages
from vlp.neighbours.counting import BLOCK_CANDIDATES
from vlp.neighbours.ranks import TIE, best_ranks


def by_numpy(queries: np.ndarray, candidates: np.ndarray, block: int = 8192) -> np.ndarray:
    """Rank of candidate i for query i."""
    ranks = np.zeros(len(queries), np.int64)
    for first in range(0, len(queries), 256):
        rows = queries[first : first + 256].astype(np.float64)
        right = candidates[first : first + len(rows)].astype(np.float64)
        least = np.einsum("nd,nd->n", rows, right) - TIE
        for start in range(0, len(candidates), block):
            scores = rows @ candidates[start : start + block].astype(np.float64).T
            ranks[first : first + 256] += np.count_nonzero(~(scores < least[:, None]), axis=1)
    return ranks


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--queries", type=int, default=4_000)
    parser.add_argument("--candidates", type=int, default=20_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--alone", action="store_true", help="without numpy")
    options = parser.parse_args()
    restart_with_huge_pages()
    candidates = unit_rows(options.candidates, options.dim, 0)
    # A tenth right answer, the rest noise: ranks between the first and the middle.
    queries = 0.1 * candidates[: options.queries] + unit_rows(options.queries, options.dim, 1)
    pairs = np.stack([np.arange(options.queries)] * 2, axis=1)
    runs = {"vlp": lambda: best_ranks(queries, candidates, pairs)}
    if not options.alone:
        runs["numpy"] = lambda: by_numpy(queries, candidates)
    few = min(BLOCK_CANDIDATES, options.candidates)
    best_ranks(queries, candidates[:few], pairs % (options.queries, few))  # compiles
    times = alternated(runs, options.rounds)
    print(
        f"{options.queries} x {options.candidates} x {options.dim} on {jax.device_count()} x "
        f"{jax.devices()[0].device_kind}, {options.rounds} rounds; host memory at most {peak_gib():.1f} GiB"
    )
    for name, taken in times.items():
        rate = 2 * options.queries * options.candidates * options.dim / taken.seconds / 1e9
        same = np.mean(taken.result == times["vlp"].result)
        print(
            f"{name:<6} {taken.seconds:8.2f} s ({rate:6.0f} GFLOP/s)  mean rank {np.mean(taken.result):.1f}  "
            f"equal ranks {same:.6f}"
        )


if __name__ == "__main__":
    main()
