"""Randomly corrupted inputs: does anything crash, hang, leak memory, or raise what it does not promise?

python benchmarks/corruption.py [--cases=10000] [--kinds=tar,parquet] [--first=0]

Case k of a kind is always the same bytes, so that a failure can be repeated: --first=K --cases=1. The exit code is
1 where something failed. Cases run in a process of their own, with 4 GB of address space and half a minute for one.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import os
import resource
import sys
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

MEMORY, SECONDS = 4 << 30, 30
Attempt = Callable[[bytes, Path], str]  # (corrupted bytes, a folder of its own) -> what came of it, in a word


def corrupt(data: bytes, dice: np.random.Generator) -> bytes:
    """One to three accidents: bytes changed, a run overwritten, zeroed, lost or doubled, the end cut off."""
    damaged = bytearray(data)
    for _ in range(dice.integers(1, 4)):
        size = max(len(damaged), 1)
        start = int(dice.integers(size))
        run = int(dice.integers(1, max(2, min(size, 64) if dice.random() < 0.7 else size // 2)))
        accident = dice.integers(6)
        if accident == 0:
            for place in dice.integers(size, size=int(dice.integers(1, 20))).tolist():
                damaged[place : place + 1] = dice.bytes(1)
        elif accident == 1:
            damaged[start : start + run] = dice.bytes(run)
        elif accident == 2:
            damaged[start : start + run] = bytes(run)
        elif accident == 3:
            del damaged[start : start + run]
        elif accident == 4:
            damaged[start:start] = damaged[start : start + run]
        else:
            del damaged[start:]
    return bytes(damaged)


def read_all(format: str, data: bytes, path: Path) -> str:
    """Opens the bytes as a data set and reads every record."""
    from input_pipeline.records import BadRecord
    from input_pipeline.sources import open_source

    path.write_bytes(data)
    try:
        source = open_source({"format": format, "path": str(path)})
    except ValueError:
        return "refused"
    bad = 0
    for index in range(len(source)):
        try:
            source[index]
        except BadRecord:
            bad += 1
    return "with bad records" if bad else "read"


def tar_original() -> list[bytes]:
    """Two archives, one with long names."""
    archives = []
    for prefix in ("", "ö" * 120):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for number in range(6):
                content = {
                    "json": b'{"captions": ["a", "b"], "tags": ["c"]}',
                    "jpg": bytes(range(256)) * 8,
                    "txt": b"a",
                }
                for extension, data in content.items():
                    member = tarfile.TarInfo(f"{prefix}{number:04d}.{extension}")
                    member.size = len(data)
                    archive.addfile(member, io.BytesIO(data))
        archives.append(buffer.getvalue())
    return archives


def parquet_original() -> list[bytes]:
    """Files of every compression, with every type that a source reads."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    files = []
    for compression in ("none", "snappy", "zstd", "gzip"):
        buffer = io.BytesIO()
        rows = {
            "id": [f"id{number % 4}" for number in range(12)],
            "image": [np.random.default_rng(number).bytes(2000) for number in range(12)],
            "captions": [["a caption", None, "another"][: number % 4] for number in range(12)],
            "langs": pa.array([[("de", "ein Bild")]] * 12, pa.map_(pa.string(), pa.string())),
            "category": list(range(12)),
        }
        pq.write_table(pa.table(rows), buffer, row_group_size=5, compression=compression)
        files.append(buffer.getvalue())
    return files


@dataclass(frozen=True)
class Kind:
    """What is corrupted, and what is done with it."""

    originals: Callable[[], Sequence[bytes]]
    attempt: Attempt


KINDS = {
    "tar": Kind(tar_original, lambda data, folder: read_all("webdataset", data, folder / "case.tar")),
    "parquet": Kind(
        parquet_original, lambda data, folder: read_all("parquet", data, folder / "case.parquet")
    ),
}


@dataclass
class Tally:
    """What came of the cases of one kind; `failures` by case number."""

    outcomes: Counter[str] = field(default_factory=Counter)
    failures: dict[int, str] = field(default_factory=dict)
    slowest: float = 0.0  # seconds
    growth: float = 0.0  # megabytes after the first tenth of the cases
    seconds: float = 0.0


def measure(name: str, first: int, cases: int) -> Tally:
    """Runs the cases in a child process; another goes on behind the case at which one dies or hangs."""
    tally, start = Tally(), time.perf_counter()
    context = multiprocessing.get_context("spawn")
    while len(tally.failures) + tally.outcomes.total() < cases:
        behind = first + len(tally.failures) + tally.outcomes.total()
        mine, its = context.Pipe(duplex=False)
        child = context.Process(target=_run, args=(name, behind, first + cases, its))
        child.start()
        its.close()
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


def _run(name: str, first: int, last: int, results: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    kind = KINDS[name]
    originals = kind.originals()
    warm, base = first + max(1, (last - first) // 10), 0.0
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        for case in range(first, last):
            dice = np.random.default_rng(case)
            data = corrupt(originals[case % len(originals)], dice)
            start, outcome, failure = time.perf_counter(), "", ""
            try:
                outcome = kind.attempt(data, Path(folder))
            except Exception as error:
                failure = f"{type(error).__name__}: {error}"[:200]
            if case == warm:
                base = _resident()
            growth = _resident() - base if base else 0.0
            seconds = time.perf_counter() - start
            results.send_bytes(json.dumps([case, outcome, failure, seconds, growth]).encode())
    results.close()


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


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=10_000, help="of each kind")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    print(
        f"{'kind':<8} {'cases':>6} {'failed':>6} {'MB grown':>8} {'slowest s':>9} {'cases/s':>8}  outcomes",
        flush=True,
    )
    failed = False
    for name in options.kinds.split(","):
        tally = measure(name, options.first, options.cases)
        outcomes = ", ".join(f"{count} {outcome}" for outcome, count in tally.outcomes.most_common())
        print(
            f"{name:<8} {options.cases:>6} {len(tally.failures):>6} {tally.growth:>8.1f} {tally.slowest:>9.3f} "
            f"{options.cases / tally.seconds:>8.0f}  {outcomes}",
            flush=True,
        )
        for case, failure in list(tally.failures.items())[:10]:
            print(f"  case {case}: {failure}")
        failed |= bool(tally.failures)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
