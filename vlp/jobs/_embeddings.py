"""Embeddings of every record of some sources, in order, kept in shards so that an interrupted job goes on."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32

from input_pipeline.records import BadRecord, Reason, Record
from input_pipeline.sources import Source, open_source
from input_pipeline.views.image import EvaluationView
from input_pipeline.views.resize import Square
from input_pipeline.views.text import TextView
from vlp.model import Model

SHARD_RECORDS, GROUP_RECORDS = 8192, 256


class Shown(NamedTuple):
    """A record's id and what the model is shown of it; None for what the feature does not need."""

    id: str
    image: Square | None
    text: str | None


class Records:
    """The records of several sources as one sequence of what a feature needs of them."""

    def __init__(self, data: Any, preprocessing: Mapping[str, Any], feature: str) -> None:
        """Opens the sources of `data` whose weight is not 0, in the config's order.

        Raises:
          ValueError: a source that cannot be opened.
        """
        used = {name: entry for name, entry in data.sources.items() if entry.weight}
        self.sources = {name: open_source(entry) for name, entry in used.items()}
        self._parts: list[tuple[Source, TextView]] = [
            (self.sources[name], TextView.of_source(data.text, entry)) for name, entry in used.items()
        ]
        self._ends = list(itertools.accumulate(len(source) for source in self.sources.values()))
        self._view, self._feature = EvaluationView(preprocessing), feature

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, index: int) -> Shown | Reason:
        """Record `index`, or why it cannot be used."""
        part = int(np.searchsorted(self._ends, index, side="right"))
        source, text_view = self._parts[part]
        try:
            record = source[index - (self._ends[part - 1] if part else 0)]
            return Shown(
                record.id,
                self._image(record) if self._feature != "text" else None,
                next(iter(text_view.every_text(record))) if self._feature != "image" else None,
            )
        except BadRecord as bad:
            return bad.reason

    def _image(self, record: Record) -> Square:
        if record.image is None:
            raise BadRecord(Reason.MISSING_IMAGE, f"record '{record.id}' has no image")
        return self._view.of_bytes(record.image)


class Embeddings:
    """What the shards of a folder hold, as points that are read from the disk a slice at a time."""

    def __init__(self, folder: Path) -> None:
        """Opens every finished shard."""
        self._arrays = [np.load(path, mmap_mode="r") for path in sorted(folder.glob("*.npy"))]
        self._ends = np.cumsum([len(array) for array in self._arrays])
        self._notes = [
            json.loads(path.with_suffix(".json").read_text()) for path in sorted(folder.glob("*.npy"))
        ]

    @property
    def shape(self) -> tuple[int, int]:
        return int(self._ends[-1]), self._arrays[0].shape[1]

    def __getitem__(self, rows: slice, /) -> Float32[np.ndarray, "n dim"]:
        start, stop, _ = rows.indices(self.shape[0])
        parts = [self._arrays[0][:0]]
        for array, end in zip(self._arrays, self._ends, strict=True):
            first = int(end) - len(array)
            parts.append(array[max(0, start - first) : max(0, stop - first)])
        return np.concatenate(parts)

    @property
    def skipped(self) -> Counter[str]:
        """How many records were left out, by reason."""
        return sum((Counter(note["skipped"]) for note in self._notes), Counter())

    def ids(self) -> Iterator[str]:
        """The ids of the records, one a row."""
        return itertools.chain.from_iterable(note["ids"] for note in self._notes)


def embed(
    records: Records,
    model: Model,
    feature: str,
    folder: Path,
    *,
    threads: int = 2,
    shard_records: int = SHARD_RECORDS,
    report: Callable[[int], None] = lambda done: None,
) -> Embeddings:
    """Encodes all records that no finished shard holds yet.

    Args:
      records: of the model's preprocessing and the same feature.
      model: image and text towers with unit rows.
      feature: 'image', 'text', or 'mean' for the unit mean of both.
      folder: of the shards; created if it is missing.
      threads: to decode in.
      shard_records: records behind one shard; the same in every call for one folder.
      report: called after each shard with the number of records done.

    Raises:
      ValueError: no record can be used, or an embedding is not finite.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(threads) as pool:
        for number, start in enumerate(range(0, len(records), shard_records)):
            stop = min(start + shard_records, len(records))
            if not (folder / f"{number:08d}.npy").exists():
                shown = _read_ahead(pool, records, start, stop)
                _write_shard(folder / f"{number:08d}.npy", shown, model, feature)
            report(stop)
    embeddings = Embeddings(folder)
    if not len(records) or not embeddings.shape[0]:
        reasons = ", ".join(f"{count} {reason}" for reason, count in embeddings.skipped.items())
        raise ValueError(f"no record can be used: {reasons or 'the sources are empty'}")
    return embeddings


def _read_ahead(
    pool: ThreadPoolExecutor, records: Records, start: int, stop: int
) -> Iterator[list[Shown | Reason]]:
    """Groups of records; one is decoded while the one before it is encoded."""
    groups = (range(first, min(first + GROUP_RECORDS, stop)) for first in range(start, stop, GROUP_RECORDS))
    ahead = [pool.submit(records.__getitem__, index) for index in next(groups)]
    for group in groups:
        current, ahead = ahead, [pool.submit(records.__getitem__, index) for index in group]
        yield [future.result() for future in current]
    yield [future.result() for future in ahead]


def _write_shard(path: Path, groups: Iterator[list[Shown | Reason]], model: Model, feature: str) -> None:
    """The rows are renamed last: a shard with rows is complete."""
    ids: list[str] = []
    skipped: Counter[str] = Counter()
    rows = [np.zeros((0, model.config.model.embed_dim), np.float32)]
    for group in groups:
        good = [entry for entry in group if isinstance(entry, Shown)]
        skipped.update(entry.name.lower() for entry in group if isinstance(entry, Reason))
        ids += [entry.id for entry in good]
        rows.append(_encode(good, model, feature))
    _write(path.with_suffix(".json"), json.dumps({"ids": ids, "skipped": skipped}).encode())
    temporary = path.with_suffix(".saving")
    with temporary.open("wb") as file:
        np.save(file, np.concatenate(rows))
    temporary.replace(path)


def _encode(shown: list[Shown], model: Model, feature: str) -> Float32[np.ndarray, "n dim"]:
    if not shown:
        return np.zeros((0, model.config.model.embed_dim), np.float32)
    towers = []
    if feature != "text":
        towers.append(model.encode_image_array(np.stack([entry.image for entry in shown])))  # type: ignore[misc]
    if feature != "image":
        towers.append(model.encode_text([entry.text for entry in shown]))  # type: ignore[misc]
    rows = sum(towers)
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    if not np.isfinite(rows).all():
        bad = shown[int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0])].id
        raise ValueError(f"the embedding of record '{bad}' is not finite: the checkpoint may have diverged")
    return rows


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(path.name + ".saving")
    temporary.write_bytes(content)
    temporary.replace(path)
