"""What streaming from a bucket costs: bytes a host, room on its disk, speed, and how well records are mixed.

    python -m benchmarks.streaming [--shards=256] [--records=32] [--hosts=4]

Tar shards of JPEGs are written to a real server on this machine, which answers 20 ms late and counts what it sends; the
cache holds a tenth of them. Every host reads its part of one epoch. Rates are those of the first host, beside the same
data in local files, fully shuffled.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import resource
import tarfile
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.harness import Times
from benchmarks.object_store import google_store_apart, sent_by
from configs import quickstart
from input_pipeline.buckets import Bucket
from input_pipeline.stream import Stream, make_stream
from input_pipeline.streaming.cache import _alone
from input_pipeline.tokenizers import load_tokenizer

BATCH, SIDE = 64, 256
PLACE = "gs://bucket/shards"


def write_shards(folder: Path, shards: int, records: int) -> int:
    """Writes tar shards of noisy pictures with captions; returns their bytes."""
    dice = np.random.default_rng(0)
    small = dice.integers(0, 255, (64, SIDE // 8, SIDE // 8, 3), np.uint8)
    pictures = []
    for pixels in small:
        data = io.BytesIO()
        Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(data, "JPEG", quality=90)
        pictures.append(data.getvalue())
    for shard in range(shards):
        with tarfile.open(folder / f"{shard:05d}.tar", "w") as tar:
            for record in range(records):
                key = f"{shard:05d}-{record:05d}"
                for suffix, content in (("jpg", pictures[record % 64]), ("txt", f"picture {key}".encode())):
                    info = tarfile.TarInfo(f"{key}.{suffix}")
                    info.size = len(content)
                    tar.addfile(info, io.BytesIO(content))
    return sum(file.stat().st_size for file in folder.iterdir())


def stream(path: str, **data: Any) -> Stream:
    """Returns a stream of pictures."""
    config = quickstart.get_config("plain")
    entry = {"format": "webdataset", "path": path, "weight": 1.0, "columns": {}}
    return make_stream(
        {**config.data.to_dict(), "sources": {"shards": entry}, **data},
        preprocessing={"resolution": 64, "resize": "squash"},
        tokenizer=load_tokenizer(config.tokenizer),
        batch_size=BATCH,
        seed=0,
        fields=("image", "text", "text_mask"),
    )


def rate(made: Stream, hosts: int, steps: int, host: int = 0) -> tuple[float, float]:
    """Returns examples a second of a host over some steps, and the longest that it waited for a batch."""
    batches: Iterator[Any] = made.batches(0, process_index=host, process_count=hosts, threads=2, prefetch=8)
    next(batches)
    waits = Times[Any]()
    for _ in range(steps - 1):
        waits.run(lambda: next(batches))
    return (steps - 1) * BATCH / hosts / sum(waits.wall), max(waits.wall)


class Disk:
    """Watches the room that the cache takes."""

    def __init__(self, folder: Path) -> None:
        self.most, self._folder, self._done = 0, folder, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._done.wait(0.02):
            found = 0
            self._folder.mkdir(parents=True, exist_ok=True)
            with _alone(self._folder / ".lock"):  # nothing is added and nothing goes while it is looked at
                for file in self._folder.glob("*/*"):
                    with contextlib.suppress(OSError):
                        found += file.stat().st_size
            self.most = max(self.most, found)

    def stop(self) -> int:
        self._done.set()
        self._thread.join()
        return self.most


def mixing(made: Stream, records: int, steps: int) -> tuple[float, float]:
    """Returns how many other records of a batch come from a record's shard: here, and if all were shuffled."""
    together = 0
    for step in range(steps):
        shards = Counter(made.address(step * BATCH + row).record // records for row in range(BATCH))
        together += sum(count * (count - 1) for count in shards.values())
    total = sum(made.records.values())
    return together / steps / BATCH, (BATCH - 1) * (records - 1) / (total - 1)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shards", type=int, default=256)
    parser.add_argument("--records", type=int, default=32)
    parser.add_argument("--hosts", type=int, default=4)
    parser.add_argument("--window", type=int, default=128)
    parser.add_argument("--latency", type=float, default=0.02)
    parser.add_argument("--stall", type=int, default=0)
    options = parser.parse_args()
    hosts, steps = options.hosts, options.shards * options.records // BATCH
    with (
        tempfile.TemporaryDirectory() as place,
        google_store_apart(options.latency, options.stall) as environment,
    ):
        os.environ.update(environment, XDG_CACHE_HOME=f"{place}/cache")
        local = Path(place) / "local"
        local.mkdir()
        size = write_shards(local, options.shards, options.records)
        bucket = Bucket(PLACE)
        for file in sorted(local.iterdir()):
            bucket.write(file.name, file)
        limit = size / 10
        data = {"cache_gb": limit / 1e9, "lanes": hosts, "window": options.window}
        os.environ["VLP_DATA_CACHE"] = f"{place}/first"
        index = Times[Stream]()
        index.run(lambda: stream(PLACE, **data))
        print(
            f"{size / 1e6:.0f} MB in {options.shards} shards; their index took {index.seconds:.1f} s",
            flush=True,
        )
        plain = rate(stream(str(local)), hosts, steps)[0]
        rates, shares, most = [], [], 0
        for host in range(hosts):
            os.environ["VLP_DATA_CACHE"] = f"{place}/host{host}"
            sent_by(environment)
            made, disk = stream(PLACE, **data), Disk(Path(place) / f"host{host}" / "shards")
            rates.append(rate(made, hosts, steps, host))
            most = max(most, disk.stop())
            shares.append(
                sum(count for name, count in sent_by(environment).items() if name.endswith(".tar")) / size
            )
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(
                f"host {host}: {rates[-1][0]:6.0f} examples/s, longest wait {rates[-1][1]:.2f} s, {memory:.0f} MB",
                flush=True,
            )
        print(
            f"local files, fully shuffled: {plain:.0f} examples/s; streamed: {rates[0][0] / plain:.0%} of that"
        )
        print(f"bytes a host: at most {max(shares) * hosts:.3f} / hosts of an epoch")
        print(f"disk: at most {most / limit:.0%} of data.cache_gb")
        here, even = mixing(made, options.records, steps)
        print(f"other records of a batch from a record's shard: {here:.2f}, fully shuffled {even:.2f}")
        print(
            f"a record moves within {options.window} of its lane's records: {options.window * hosts // BATCH} steps"
        )


if __name__ == "__main__":
    main()
