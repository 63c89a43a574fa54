"""Our train step beside its peers' at equal architecture, alternated in one run.

64 px, patch 8, width 192, 12 image and 6 text layers, vocabulary 8,192, 32 tokens, AdamW with clipping: see
contestants.py. Every contestant lives in a process of its own and makes two steps in turn, so that a neighbour's noise
meets all of them. The second one counts: as in training, it finds memory as a step before it left it.
Peers are not dependencies; where one is absent its row says so:

    pip install torch open_clip_torch                                # open_clip, eager
    git clone https://github.com/google-research/big_vision          # then --big_vision=DIR

    python -m benchmarks.train_step [--batch=64] [--rounds=7] [--threads=2] [--big_vision=DIR]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys

from benchmarks.harness import Times, peak_gib
from benchmarks.peers import contestants
from vlp.huge_pages import HUGE_PAGES, TUNABLES

REFERENCE = "open_clip"


class Contestant:
    """A process that makes a step whenever it is asked to."""

    def __init__(self, name: str, arguments: list[str]):
        self.name, self.times, self.peak_gib = name, Times(), 0.0
        command = [sys.executable, "-m", "benchmarks.train_step", f"--contestant={name}", *arguments]
        # What main.py gives itself; the peers start as theirs do.
        environment = {**os.environ, **({TUNABLES: HUGE_PAGES} if name.startswith("vlp") else {})}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.absent = self._answer().removeprefix("ready").strip()

    def step(self, *, counted: bool = True) -> None:
        self._ask("step")
        seconds, peak_gib = map(float, self._answer().split())
        self.peak_gib = peak_gib
        if counted:
            self.times.wall.append(seconds)

    def _ask(self, word: str) -> None:
        assert self.process.stdin is not None
        print(word, file=self.process.stdin, flush=True)

    def _answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()


def serve(options: argparse.Namespace) -> None:
    """What a contestant's process does: says that it is ready, or why not, then answers each line with a step."""
    answers, sys.stdout = sys.stdout, sys.stderr
    try:
        step = contestants.build(
            options.contestant, options.batch, big_vision=options.big_vision, threads=options.threads
        )
    except contestants.Absent as absent:
        print(f"ready {absent}", file=answers, flush=True)
        return
    print("ready", file=answers, flush=True)
    for _ in sys.stdin:
        times = Times()
        times.run(step)
        print(times.seconds, peak_gib(), file=answers, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--big_vision", default="", help="a checkout of google-research/big_vision")
    parser.add_argument("--names", default=",".join(contestants.NAMES), help="whom to time")
    parser.add_argument("--contestant", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contestant:
        return serve(options)
    common = [f"--{name}={getattr(options, name)}" for name in ("batch", "threads", "big_vision")]
    field = [Contestant(name, common) for name in options.names.split(",")]
    for one in field:
        if one.absent:
            print(f"{one.name:<14} left out: {one.absent}")
    field = [one for one in field if not one.absent]
    for one in field:
        one.step(counted=False)  # compiles, or fills caches
        one.step(counted=False)
    for _ in range(options.rounds):
        for one in field:
            one.step(counted=False)
            one.step()
    for one in field:
        one.close()
    report(field, options)
    return None


def report(field: list[Contestant], options: argparse.Namespace) -> None:
    """A row a contestant; ratios pair by pair to the reference, median."""
    flops = contestants.step_flops(options.batch)
    peak = contestants.matmul_peak()
    print(f"batch {options.batch}, {options.rounds} rounds, float32 matmul peak {peak / 1e9:.0f} GFLOP/s")
    references = [one.times for one in field if one.name == REFERENCE]
    print(f"{'':14} {'median ms':>9} {'min ms':>7} {'of peak':>7} {'GiB':>5}  to {REFERENCE}")
    for one in field:
        ratios = [ratio for reference in references for ratio in one.times.ratios(reference)]
        ratio = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})" if ratios else "-"
        best = min(one.times.wall)
        times = f"{1e3 * one.times.seconds:9.0f} {1e3 * best:7.0f} {flops / best / peak:7.2f}"
        print(f"{one.name:<14} {times} {one.peak_gib:5.2f}  {ratio}")


if __name__ == "__main__":
    main()
