"""What the loader delivers, and what a record costs in each of its stages."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from typing import Any, TypeVar

import numpy as np

from input_pipeline.decode import open_picture
from input_pipeline.errors import UserError
from input_pipeline.records import BadRecord
from input_pipeline.sources import open_source
from input_pipeline.tokenizers import Tokenizer
from input_pipeline.views.image import TrainingView
from input_pipeline.views.text import TextView

_BATCH, _MOST_BAD = 128, 1000  # records
T = TypeVar("T")
STAGES = ("read", "decode", "augment", "tokenise", "batch")


def delivered_per_second(
    batches: Generator[Mapping[str, np.ndarray], None, None], ahead: int, seconds: float
) -> float:
    """Returns images per second that come out of a stream's batches.

    Args:
      batches: of one host.
      ahead: batches that may be ready when the clock starts; so many are taken before, but for no longer than
        `seconds`: what comes slowly does not pile up.
      seconds: how long to measure, in whole batches.
    """
    with closing(batches):
        begin = time.perf_counter()
        for taken, _ in enumerate(batches):
            if taken >= ahead or time.perf_counter() - begin > seconds:
                break
        images, start = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - start) < seconds or not images:
            images += len(next(batches)["image"])
            elapsed = time.perf_counter() - start
    return images / elapsed


def stage_seconds(
    data: Mapping[str, Any],
    preprocessing: Mapping[str, Any],
    tokenizer: Tokenizer,
    *,
    seed: int,
    seconds: float,
) -> dict[str, float]:
    """Seconds per record in each of STAGES, one after the other in this thread: of its CPU, but for reading.

    Args:
      data: as for `make_stream`. Records are drawn at random, as often from each source as its weight says.
      seconds: how long to go on.

    Raises:
      ValueError: no record can be used.
    """
    view, dice = TrainingView.build(preprocessing, data["image"]), np.random.default_rng(seed)
    entries = {name: entry for name, entry in data["sources"].items() if entry["weight"] > 0}
    sources = {name: open_source(entry) for name, entry in entries.items()}
    text_views = {name: TextView.of_source(data["text"], entry) for name, entry in entries.items()}
    weights = np.array([entry["weight"] for entry in entries.values()])
    spent, used, bad = dict.fromkeys(STAGES, 0.0), 0, 0
    shown: list[str] = []
    pixels: list[np.ndarray] = []
    end = time.perf_counter() + seconds
    while (time.perf_counter() < end or not used) and bad < _MOST_BAD:
        name = str(dice.choice(list(sources), p=weights / weights.sum()))
        number = int(dice.integers(len(sources[name])))
        try:
            start = time.perf_counter()
            record = sources[name][number]
            text = text_views[name](record, dice)
            read = time.perf_counter() - start
            picture = open_picture(record.image or b"")
            both, square = _cpu_seconds(lambda: view(picture, np.random.default_rng(number)))  # noqa: B023 - called here
            augment, _ = _cpu_seconds(lambda: view(picture, np.random.default_rng(number)))  # noqa: B023 - decoded already
        except BadRecord:
            bad += 1
            continue
        used += 1
        spent["read"] += read
        spent["decode"] += max(0.0, both - augment)
        spent["augment"] += augment
        if len(shown) < _BATCH:
            shown.append(text)
            pixels.append(square)
    if not used:
        raise UserError(f"none of {bad} records can be used: see --job=inspect without --benchmark")
    per_record = {stage: spent[stage] / used for stage in STAGES}
    per_record["tokenise"] = _cpu_seconds(lambda: tokenizer.tokens(shown))[0] / len(shown)
    per_record["batch"] = _cpu_seconds(lambda: np.stack(pixels))[0] / len(shown)
    return per_record


def _cpu_seconds(work: Callable[[], T]) -> tuple[float, T]:
    """What the work costs this thread, whoever else uses the machine."""
    start = time.thread_time()
    result = work()
    return time.thread_time() - start, result
