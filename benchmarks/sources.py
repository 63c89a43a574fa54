"""What opening 1,000 shards costs, and reading records in random order, format by format.

python -m benchmarks.sources [--shards=1000] [--records=20000]

Files are in the page cache; records have an image of 3 kB and two captions. `cold` builds the side index, `warm`
finds it in the cache. Seconds are of the wall and, in brackets, of CPU; microseconds are of this process alone.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import pickle
import shutil
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.harness import Times
from input_pipeline.records import Caption, Record
from input_pipeline.sources import open_source
from input_pipeline.sources.array_record import encode_record
from input_pipeline.sources.cache import cached_index

BATCH = 256
IMAGE = np.random.default_rng(0).bytes(3000)
CAPTIONS = ("a cat on a mat", "a picture of a cat that sits on a mat")


def array_record(path: Path, count: int) -> None:
    from array_record.python.array_record_module import ArrayRecordWriter

    writer = ArrayRecordWriter(str(path), "group_size:1")
    for number in range(count):
        captions = tuple(Caption(text, "title", "en") for text in CAPTIONS)
        writer.write(encode_record(Record(str(number), IMAGE, captions, ("cat", "mat"), "cat")))
    writer.close()


def webdataset(path: Path, count: int) -> None:
    with tarfile.open(path, "w") as archive:
        for number in range(count):
            content = {"id": number, "captions": CAPTIONS, "tags": ["cat", "mat"], "label": "cat"}
            for extension, data in (
                ("jpg", IMAGE),
                ("txt", b"a cat"),
                ("json", json.dumps(content).encode()),
            ):
                member = tarfile.TarInfo(f"{number:06d}.{extension}")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))


def parquet(path: Path, count: int) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = {"id": [str(number) for number in range(count)], "image": [IMAGE] * count}
    rows |= {"captions": [CAPTIONS] * count, "tags": [["cat", "mat"]] * count, "category": ["cat"] * count}
    pq.write_table(pa.table(rows), path)


FORMATS: dict[str, tuple[str, Callable[[Path, int], None]]] = {
    "array_record": (".array_record", array_record),
    "webdataset": (".tar", webdataset),
    "parquet": (".parquet", parquet),
}


def make_shards(name: str, folder: Path, shards: int, records: int) -> None:
    """Files that differ in nothing but their names."""
    suffix, write = FORMATS[name]
    folder.mkdir(parents=True)
    write(folder / f"00000{suffix}", max(1, records // shards))
    for number in range(1, shards):
        shutil.copyfile(folder / f"00000{suffix}", folder / f"{number:05d}{suffix}")


def first_batch(name: str, path: Path) -> tuple[float, float]:
    """Seconds from nothing open to a batch from all over the set: of the wall, and of CPU."""
    times = Times[None]()

    def read() -> None:
        source = open_source({"format": name, "path": str(path)})
        for index in np.random.default_rng(0).integers(len(source), size=BATCH).tolist():
            source[index]

    times.run(read)
    return times.wall[0], times.processor[0]


def cold_and_warm(name: str, path: Path) -> tuple[tuple[float, float], tuple[float, float]]:
    """`first_batch` without a side index in the cache, and with it."""
    with tempfile.TemporaryDirectory() as cache:
        os.environ["XDG_CACHE_HOME"] = cache
        cached_index.cache_clear()
        cold = first_batch(name, path)
        cached_index.cache_clear()
        return cold, first_batch(name, path)


def microseconds(name: str, path: Path, order: np.ndarray) -> float:
    """Of a record in random order; the best of three rounds after one that warms up."""
    source, times = open_source({"format": name, "path": str(path)}), Times[None]()

    def read() -> None:
        for index in order.tolist():
            source[index]

    for _ in range(4):
        times.run(read)
    return min(times.processor[1:]) / len(order) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shards", type=int, default=1000)
    parser.add_argument("--records", type=int, default=20_000)
    options = parser.parse_args()
    print(
        f"{'format':<13} {'cold s':>7} {'(CPU)':>7} {'warm s':>7} {'(CPU)':>7} {'pickled kB':>10} {'us/record':>10}"
    )
    with tempfile.TemporaryDirectory() as folder:
        for name in FORMATS:
            path = Path(folder) / name
            make_shards(name, path, options.shards, options.records)
            seconds = " ".join(f"{second:>7.2f}" for run in cold_and_warm(name, path) for second in run)
            source = open_source({"format": name, "path": str(path)})
            order = np.random.default_rng(1).permutation(len(source))
            print(
                f"{name:<13} {seconds} {len(pickle.dumps(source)) / 1e3:>10.0f} "
                f"{microseconds(name, path, order):>10.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
