"""Curation on one core: MetaCLIP's match and balance beside its repository's way, and near-equal hashes.

Captions are made of words as frequent as in language (Zipf), entries of these words and of pairs of them. Ours is the
whole job in a process of its own, whose memory is said: it reads Parquet, keeps every slice on the disk to go on from,
and writes ids, scores and a report. The peer (benchmarks/peers/metaclip.py) has its texts in memory and writes nothing;
asking for one entry after the other, it sees `--peer_texts` of them, and its time is multiplied up; finding by
pyahocorasick is left out where that is not installed.

    python -m benchmarks.curation [--records=1000000] [--entries=500000] [--peer_texts=100] [--hashes=1000000]
    python -m benchmarks.curation --records=250000 --peer_texts=0 --hashes=0     # memory at a quarter of the records
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.harness import Times, peak_gib
from benchmarks.peers import metaclip
from configs.settings.curation import balance, match
from configs.settings.setting import defaults
from input_pipeline.curation import Request, StepEntry, curate
from input_pipeline.curation.hamming import near_before

_WORDS, _LENGTH = 300_000, 12
_CAPTIONS, _ENTRIES = "captions.parquet", "entries.txt"


def captions(count: int, seed: int = 0) -> list[str]:
    """Returns texts of some twelve words, of which few are frequent."""
    rng = np.random.default_rng(seed)
    ranks = np.minimum(rng.zipf(1.3, (count, _LENGTH)), _WORDS) - 1
    lengths = rng.integers(4, _LENGTH + 1, count)
    return [
        " ".join(f"w{rank}" for rank in row[:length])
        for row, length in zip(ranks.tolist(), lengths.tolist(), strict=True)
    ]


def entries_of(count: int) -> list[str]:
    """Returns all words, and pairs of the frequent ones."""
    pairs = (f"w{one} w{other}" for one, other in itertools.product(range(1000), repeat=2))
    return [
        *(f"w{rank}" for rank in range(min(count, _WORDS))),
        *itertools.islice(pairs, max(0, count - _WORDS)),
    ]


def _write(texts: Sequence[str], entries: Sequence[str], folder: Path) -> None:
    ids = [f"r{number}" for number in range(len(texts))]
    pq.write_table(pa.table({"id": ids, "caption": texts}), folder / _CAPTIONS, row_group_size=1 << 13)
    (folder / _ENTRIES).write_text("\n".join([*entries, ""]), encoding="utf-8")


def _ours(folder: Path, t: int) -> tuple[int, float]:
    """Runs the job, and returns how many records it keeps, and the memory of this process in GiB."""
    wanted = {**defaults(match.SETTINGS), "entries": str(folder / _ENTRIES), "kind": "match"}
    steps = [
        StepEntry("match", match.CLASS, wanted),
        StepEntry("balance", balance.CLASS, {**defaults(balance.SETTINGS), "t": t, "kind": "balance"}),
    ]
    columns = {"id": "id", "captions": "caption", "image": ""}
    entry = {"format": "parquet", "path": str(folder / _CAPTIONS), "columns": columns, "weight": 1.0}
    report = curate(Request({"web": entry}, steps, 0, 4096), folder / "curated", 1)
    return int(report["kept"]), peak_gib()


def _timed(folder: Path, t: int) -> Times[tuple[int, float]]:
    times = Times[tuple[int, float]]()
    times.run(lambda: _ours(folder, t))
    return times


def _compare(options: argparse.Namespace) -> None:
    texts, entries = captions(options.records), entries_of(options.entries)
    with tempfile.TemporaryDirectory() as name, ProcessPoolExecutor(1, get_context("spawn")) as process:
        _write(texts, entries, Path(name))
        ours = process.submit(_timed, Path(name), options.t).result()
    assert ours.result is not None
    seconds, (kept, memory) = ours.processor[0], ours.result
    print(f"{len(texts):,} captions, {len(entries):,} entries")
    print(f"vlp, the whole job       {seconds:10.1f} s processor, {ours.wall[0]:10.1f} s wall, kept {kept:,}")
    print(f"its process had at most {memory:.2f} GiB")
    if not options.peer_texts:
        return
    for name, make, some in (
        ("entry by entry", metaclip.matched, options.peer_texts),
        ("pyahocorasick", metaclip.automaton, len(texts)),
    ):
        building = Times[Any]()
        building.run(lambda make=make: make(entries))
        found = building.result
        if found is None:
            print(f"peer, {name} is left out: it is not installed")
            continue
        peer = Times[int]()
        peer.run(
            lambda found=found, some=some: metaclip.curated(texts[:some], found, len(entries), options.t)
        )
        whole = building.processor[0] + peer.processor[0] * len(texts) / some
        print(f"peer, {name:<18} {whole:10.1f} s, from {some:,} texts: {whole / seconds:.2f} times ours")


def _hashes(count: int) -> None:
    """Random strings of which a fifth is near another."""
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**64, (count, 1), np.uint64)
    near = hashes[rng.integers(0, count, count // 5)]
    for _ in range(3):
        near ^= np.uint64(1) << rng.integers(0, 64, near.shape).astype(np.uint64)
    hashes[rng.integers(0, count, len(near))] = near
    times = Times[int]()
    times.run(lambda: int((near_before(hashes, 6).distance < 0).sum()))
    print(f"{count:,} hashes, distance 6: {times.processor[0]:.1f} s processor, {times.result:,} stay")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--entries", type=int, default=500_000)
    parser.add_argument("--t", type=int, default=200)
    parser.add_argument("--peer_texts", type=int, default=100)
    parser.add_argument("--hashes", type=int, default=1_000_000)
    options = parser.parse_args()
    if options.hashes:
        _hashes(options.hashes)
    if options.records:
        _compare(options)


if __name__ == "__main__":
    main()
