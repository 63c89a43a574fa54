"""What the training stream costs a record: its own share, with sources that take no time, and the whole quickstart.

    nice -n 10 python -m benchmarks.stream [--batches 40] [--profile]

Prints microseconds of processor time a record in one thread: the stream with nothing to load (from one source, a
mixture, and single-source batches, of a few and of many records), then the bundled pairs in rising completeness.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import time
from collections.abc import Mapping, Sequence
from typing import Any

import input_pipeline.stream as stream
from configs import quickstart
from input_pipeline.records import Caption, Record
from input_pipeline.tokenizers import load_tokenizer

BATCH = 256


RECORD = Record("id", b"", (Caption("a cat"),), label="cat")


class Nothing:
    """A source whose records are all the same, as many as its path says."""

    def __init__(self, path: str, columns: Mapping[str, str]) -> None:
        self._length = int(path)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> Record:
        return RECORD


def microseconds(made: stream.Stream, batches: int) -> float:
    """Processor time of a record in one thread, which other processes on the machine hardly change."""
    rows = made.host_batches()
    for number in range(3):
        rows(number)
    begin = time.thread_time()
    for number in range(3, 3 + batches):
        rows(number)
    return 1e6 * (time.thread_time() - begin) / batches / BATCH


def make(data: Mapping[str, Any], fields: Sequence[str]) -> stream.Stream:
    config = quickstart.get_config("plain")
    return stream.make_stream(
        {**config.data.to_dict(), **data},
        preprocessing={"resolution": 64, "resize": "pad"},
        tokenizer=load_tokenizer(config.tokenizer),
        batch_size=BATCH,
        seed=0,
        fields=fields,
    )


def empty(lengths: Sequence[int], **data: Any) -> stream.Stream:
    """A stream over sources with nothing to load."""
    sources = {
        f"source{place}": {"format": "benchmarks.stream:Nothing", "path": str(length), "weight": 1.0 + place}
        for place, length in enumerate(lengths)
    }
    return make({"sources": sources, **data}, ("source_id",))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batches", type=int, default=40)
    parser.add_argument(
        "--profile", action="store_true", help="profile the preparation of the quickstart's batches"
    )
    arguments = parser.parse_args()
    few, many = 3_000, 100_000_000
    streams = {
        "nothing to load, one source of 3 thousand": empty([few]),
        "nothing to load, one source of 100 million": empty([many]),
        "nothing to load, a mixture of four": empty([few, many, many, few]),
        "nothing to load, four in single-source batches": empty(
            [few, many, many, few], single_source_batches=True
        ),
        "quickstart, source_id": make({}, ("source_id",)),
        "quickstart, text": make({}, ("text", "text_mask")),
        "quickstart, image and text": make({}, stream.PAIRS),
    }
    for name, made in streams.items():
        print(f"{name:50s} {microseconds(made, arguments.batches):7.1f} us a record", flush=True)
    if arguments.profile:
        profile(streams["quickstart, image and text"], arguments.batches)


def profile(made: stream.Stream, batches: int) -> None:
    rows = made.host_batches()
    profiler = cProfile.Profile()
    profiler.enable()
    for number in range(batches):
        rows(number)
    profiler.disable()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    main()
