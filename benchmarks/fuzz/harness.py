"""Runs seeded cases in a process of their own, and says what came of them: failures, hangs, crashes, memory that stays.

Case k of a kind is always the same, so that a failure can be repeated: --first=K --cases=1.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
GIGABYTE = 1 << 30
SECONDS = 60  # of a case, and of the start
LISTED = 10  # failures that are printed


@dataclass(frozen=True)
class Kind:
    """What is damaged, and what is done with it; both are functions of a module, for another process calls them.

    Attributes:
      prepare: makes the originals, in a folder of its own.
      attempt: (originals, number of the case, its dice, an empty folder) -> what came of it, in a word; whatever it
        raises is a failure.
      memory: bytes of address space.
    """

    prepare: Callable[[Path], Any]
    attempt: Callable[[Any, int, np.random.Generator, Path], str]
    memory: int = 4 * GIGABYTE


@dataclass
class Tally:
    """What came of the cases of one kind; `failures` by case number."""

    outcomes: Counter[str] = field(default_factory=Counter)
    failures: dict[int, str] = field(default_factory=dict)
    slowest: float = 0.0  # seconds
    growth: float = 0.0  # megabytes after the first tenth of the cases
    seconds: float = 0.0


def measure(kind: Kind, first: int, cases: int) -> Tally:
    """Runs the cases in a child process; another goes on behind the case at which one dies or hangs."""
    tally, start = Tally(), time.perf_counter()
    context = multiprocessing.get_context("spawn")
    while len(tally.failures) + tally.outcomes.total() < cases:
        behind = first + len(tally.failures) + tally.outcomes.total()
        mine, its = context.Pipe(duplex=False)
        child = context.Process(target=_run, args=(kind, behind, first + cases, its))
        child.start()
        its.close()
        try:
            mine.recv_bytes()
        except EOFError:
            raise SystemExit(f"the originals cannot be made: exit code {child.exitcode}") from None
        try:
            while mine.poll(SECONDS):
                _add(tally, json.loads(mine.recv_bytes()))
            child.kill()
            failure = f"hung for {SECONDS} s"
        except EOFError:
            failure = ""
        child.join()
        at = first + len(tally.failures) + tally.outcomes.total()
        if at < first + cases:
            tally.failures[at] = failure or f"crashed with exit code {child.exitcode}"
    tally.seconds = time.perf_counter() - start
    return tally


def _run(kind: Kind, first: int, last: int, results: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (kind.memory, kind.memory))
    warm, base = first + max(1, (last - first) // 10), 0.0
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        originals = kind.prepare(Path(folder))
        results.send_bytes(b"ready")
        for case in range(first, last):
            start, outcome, failure = time.perf_counter(), "", ""
            with tempfile.TemporaryDirectory(dir=folder) as own:
                try:
                    outcome = kind.attempt(originals, case, np.random.default_rng(case), Path(own))
                except BaseException as error:  # also a panic of a library that is not even an Exception
                    failure = f"{_place(error)}{type(error).__name__}: {error}"[:300]
            if case == warm:
                base = _resident()
            growth = _resident() - base if base else 0.0
            seconds = time.perf_counter() - start
            results.send_bytes(json.dumps([case, outcome, failure, seconds, growth]).encode())
    results.close()


def _place(error: BaseException) -> str:
    """Where it was raised, of our own files the last."""
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(str(ROOT))
    ]
    return f"{Path(frames[-1].filename).relative_to(ROOT)}:{frames[-1].lineno}: " if frames else ""


def _add(tally: Tally, part: list[Any]) -> None:
    case, outcome, failure, seconds, growth = part
    if failure:
        tally.failures[case] = failure
    else:
        tally.outcomes[outcome] += 1
    tally.slowest, tally.growth = max(tally.slowest, seconds), growth


def _resident() -> float:
    """Megabytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def main(kinds: Mapping[str, Kind], description: str | None, cases: int) -> int:
    """Runs kinds as the command line says; 1 where something failed.

    Args:
      kinds: by name.
      description: of the program, for --help.
      cases: of each kind, where the command line does not say.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=cases, help="of each kind")
    parser.add_argument("--kinds", default=",".join(kinds))
    parser.add_argument("--first", type=int, default=0, help="case of each kind")
    options = parser.parse_args()
    print(
        f"{'kind':<12} {'cases':>6} {'failed':>6} {'MB grown':>8} {'slowest s':>9} {'cases/s':>8}  outcomes",
        flush=True,
    )
    failed = False
    for name in options.kinds.split(","):
        tally = measure(kinds[name], options.first, options.cases)
        outcomes = ", ".join(f"{count} {outcome}" for outcome, count in tally.outcomes.most_common())
        print(
            f"{name:<12} {options.cases:>6} {len(tally.failures):>6} {tally.growth:>8.1f} {tally.slowest:>9.3f} "
            f"{options.cases / tally.seconds:>8.1f}  {outcomes}",
            flush=True,
        )
        for case, failure in list(tally.failures.items())[:LISTED]:
            print(f"  case {case}: {failure}")
        failed |= bool(tally.failures)
    return int(failed)
