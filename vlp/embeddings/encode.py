"""Embeddings of every record of some sources, in order, kept in shards so that an interrupted job goes on.

Records are decoded in threads, batches are put together in another, and the device works on one batch while the rows
of those before it are fetched: it never waits for the host, nor the host for it but to fetch what is done.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from jaxtyping import Array, Float32, Shaped

from input_pipeline.errors import UserError
from input_pipeline.records import BadRecord, Reason, Record
from input_pipeline.sources import Source, open_named
from input_pipeline.subsets import entry_records, part_of, sorted_numbers
from input_pipeline.variants import FixedViews
from input_pipeline.views.frames import Shown as Picture
from input_pipeline.views.frames import parts_of
from input_pipeline.views.image import EvaluationView
from input_pipeline.views.text import TextView
from input_pipeline.whole_files import write_whole
from vlp.embeddings.store import Embeddings, Notes, remove_unfinished, shard_path, write_shard
from vlp.model import IN_FLIGHT, Model

SHARD_RECORDS, BATCH_ROWS = 8192, 256

T = TypeVar("T")


class Shown(NamedTuple):
    """Holds what is known of a record, and what the model is shown of it; None and () for what the feature does not
    need, and for the image where it is shown in several `views`."""

    id: str
    image: Picture | None
    texts: tuple[str, ...]
    label: str
    group: str
    tags: tuple[str, ...]
    views: tuple[Picture, ...] = ()


class Row(NamedTuple):
    """Holds what one embedding is made from."""

    id: str
    image: Picture | None
    text: str


class Records:
    """The records of several sources as one sequence of what a feature needs of them."""

    def __init__(
        self,
        entries: Mapping[str, Mapping[str, Any]],
        text: Mapping[str, Any],
        preprocessing: Mapping[str, Any],
        feature: str,
        *,
        every_text: bool = False,
        views: FixedViews | None = None,
    ) -> None:
        """Opens the sources whose weight is not 0, in their order; of each the records in use, as its entry says.

        Args:
          entries: as in `data.sources`, by name.
          text: as `data.text`.
          preprocessing: of the model.
          feature: 'image', 'text', or 'mean' of both.
          every_text: all texts of a record, not the first alone.
          views: of each image, in the place of that which evaluators see.

        Raises:
          ValueError: a source that cannot be opened, or of which no record is in use.
        """
        used = {name: entry for name, entry in entries.items() if entry.get("weight", 1.0)}
        self.sources = {name: open_named(name, entry) for name, entry in used.items()}
        self._parts: list[tuple[Source, Sequence[int], TextView]] = [
            (
                source,
                sorted_numbers(entry_records(source, name, used[name])),
                TextView.of_source(text, used[name]),
            )
            for name, source in self.sources.items()
        ]
        self.paths = [_described(entry) for entry in used.values()]
        self.sizes = {name: len(part[1]) for name, part in zip(used, self._parts, strict=True)}
        self._ends = list(itertools.accumulate(self.sizes.values()))
        self._view, self._views = EvaluationView(preprocessing), views
        self.feature, self._texts = feature, None if every_text else 1

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @property
    def described(self) -> list[Any]:
        """Returns what tells these records from others, as plain values: their numbers, and where they lie."""
        return [[*self.sizes.values()], self.paths]

    @property
    def views_digest(self) -> str:
        """Returns what tells the settings of its views from others; '' where there are none."""
        return self._views.digest if self._views else ""

    def source_of(self, index: int) -> str:
        """Returns the name of the source of record `index`."""
        return list(self.sources)[int(np.searchsorted(self._ends, index, side="right"))]

    def __getitem__(self, index: int) -> Shown | Reason:
        """Returns record `index`, or why it cannot be used."""
        part = int(np.searchsorted(self._ends, index, side="right"))
        source, numbers, text_view = self._parts[part]
        try:
            record = source[numbers[index - (self._ends[part - 1] if part else 0)]]
            return Shown(
                record.id,
                self._image(record) if self.feature != "text" and not self._views else None,
                self._some_texts(record, text_view) if self.feature != "image" else (),
                record.label,
                record.group,
                record.tags,
                self._views(record.id, _encoded_image(record)) if self._views else (),
            )
        except BadRecord as bad:
            return bad.reason

    def shards(self, records: int, process: tuple[int, int] = (0, 1)) -> dict[int, range]:
        """Returns the places of the records of each shard; of all shards, or of those whose turn it is with a process.

        Args:
          records: behind one shard.
          process: number, and number of processes.
        """
        return {
            number: range(number * records, min((number + 1) * records, len(self)))
            for number in range(process[0], -(-len(self) // records), process[1])
        }

    def _image(self, record: Record) -> Picture:
        return self._view.of_bytes(_encoded_image(record))

    def _some_texts(self, record: Record, view: TextView) -> tuple[str, ...]:
        texts = tuple(dict.fromkeys(itertools.islice(view.every_text(record), self._texts)))
        if not texts:
            raise BadRecord(Reason.NO_CAPTION, f"record '{record.id}' has no text to show")
        return texts


def _described(entry: Mapping[str, Any]) -> str:
    """Where the records of an entry lie, with which captions, and which of them are in use."""
    more = [entry.get("captions_by_id"), *(f"{name}={value}" for name, value in part_of(entry).items())]
    return "".join([str(entry["path"]), *(f" with {one}" for one in more if one)])


def _encoded_image(record: Record) -> bytes:
    if record.image is None:
        raise BadRecord(Reason.MISSING_IMAGE, f"record '{record.id}' has no image")
    return record.image


class GivenTexts(Records):
    """Texts that no source holds, such as names of classes, as records without an image."""

    def __init__(self, texts: Sequence[str], preprocessing: Mapping[str, Any]) -> None:
        """Takes the texts, each once, and the preprocessing of the model."""
        super().__init__({}, {}, preprocessing, "text")
        self._given = list(dict.fromkeys(texts))

    def __len__(self) -> int:
        return len(self._given)

    @property
    def described(self) -> list[Any]:
        """Returns how many texts there are, and a digest of them."""
        return [[len(self)], [hashlib.sha256("\n".join(self._given).encode()).hexdigest()]]

    def __getitem__(self, index: int) -> Shown | Reason:
        """Returns text `index`."""
        return Shown(str(index), None, (self._given[index],), "", "", ())


def check_same_start(folder: Path, begun_with: Mapping[str, Any], later: Collection[str] = ()) -> None:
    """Writes down what the embeddings of a folder are made from.

    Args:
      folder: of the embeddings.
      begun_with: by names that errors say.
      later: those of the names that older folders do not know.

    Raises:
      ValueError: it holds embeddings of something else.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "begun_with.json"
    if not path.exists():
        write_whole(path, (json.dumps(begun_with, indent=2) + "\n").encode())
    saved = json.loads(path.read_text(encoding="utf-8"))
    for name, value in begun_with.items():
        if saved.get(name) != value and not (name in later and name not in saved):
            raise UserError(
                f"{folder} holds embeddings of another {name}: remove it or choose another --output"
            )


def embed(
    records: Records,
    model: Model,
    folder: Path,
    *,
    threads: int = 2,
    form: str = "npy",
    shard_records: int = SHARD_RECORDS,
    batch_rows: int = BATCH_ROWS,
    process: tuple[int, int] = (0, 1),
    report: Callable[[int], None] = lambda count: None,
    checkpoint: str = "",
) -> None:
    """Encodes the records of this process's shards that are not finished yet, and removes what a killed one left.

    Args:
      records: of the model's preprocessing.
      model: image and text towers with unit rows.
      folder: of the shards; created if it is missing.
      threads: to decode in.
      form: of the shards, 'npy' or 'parquet'.
      shard_records: records behind one shard; the same in every call for one folder.
      batch_rows: encoded at a time, on all devices of this process.
      process: number, and number of processes, which take turns at the shards.
      report: called with the number of records whenever more are done; first with those done before.
      checkpoint: digest of the model's, which Parquet shards say they are of.

    Raises:
      ValueError: an embedding is not finite.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ranges = records.shards(shard_records, process)
    own = {shard_path(folder, number, form).stem for number in ranges}
    remove_unfinished(folder, lambda name: name.partition(".")[0] in own)
    missing = {n: indices for n, indices in ranges.items() if not shard_path(folder, n, form).exists()}
    report(sum(map(len, ranges.values())) - sum(map(len, missing.values())))
    reading = _Reading(records, missing, report)
    origin = {"checkpoint": checkpoint, "views": records.views_digest}
    written = _ShardWriter(folder, form, origin, reading.finished)
    with ThreadPoolExecutor(threads) as pool:
        batches = _batches(reading.rows(pool, 2 * batch_rows), model, records.feature, batch_rows)
        for rows in _encoded(_ahead(batches, 2), model, batch_rows):
            written.add(rows)
    written.add(np.zeros((0, model.config.model.embed_dim), np.float32))


def require_rows(embeddings: Embeddings) -> Embeddings:
    """Gives back embeddings that there are.

    Raises:
      ValueError: no record can be used.
    """
    if not embeddings.shape[0]:
        reasons = ", ".join(f"{count} {reason}" for reason, count in embeddings.skipped.items())
        raise UserError(f"no record can be used: {reasons or 'the sources are empty'}")
    return embeddings


class _Reading:
    """The rows of some shards in order; the notes of a shard are in `finished` once all its rows were taken."""

    def __init__(self, records: Records, shards: Mapping[int, range], report: Callable[[int], None]) -> None:
        self._records, self._shards, self._report = records, shards, report
        self.finished: deque[tuple[int, Notes]] = deque()

    def rows(self, pool: ThreadPoolExecutor, window: int) -> Iterator[Row]:
        shown = self._shown(pool, window)
        for number, indices in self._shards.items():
            notes = Notes()
            for index in indices:
                yield from _noted(index, next(shown), notes)
                self._report(1)
            self.finished.append((number, notes))

    def _shown(self, pool: ThreadPoolExecutor, window: int) -> Iterator[Shown | Reason]:
        """Records decoded up to `window` ahead."""
        futures: deque[Future[Shown | Reason]] = deque()
        for index in itertools.chain.from_iterable(self._shards.values()):
            futures.append(pool.submit(self._records.__getitem__, index))
            if len(futures) > window:
                yield futures.popleft().result()
        while futures:
            yield futures.popleft().result()


def _noted(index: int, shown: Shown | Reason, notes: Notes) -> list[Row]:
    """The rows of a record, which is written down."""
    if isinstance(shown, Reason):
        notes.skipped[shown.name.lower()] += 1
        return []
    images, texts = shown.views or (shown.image,), shown.texts or ("",)
    rows = [Row(shown.id, image, text) for image in images for text in texts]
    notes.views += range(len(shown.views))
    notes.records += [index] * len(rows)
    notes.ids += [shown.id] * len(rows)
    notes.labels += [shown.label] * len(rows)
    notes.groups += [shown.group] * len(rows)
    notes.tags += [list(shown.tags)] * len(rows)
    notes.texts += [row.text for row in rows]
    return rows


class _ShardWriter:
    """Deals rows, as they come, to the shards whose turn it is."""

    def __init__(
        self, folder: Path, form: str, origin: Mapping[str, str], finished: deque[tuple[int, Notes]]
    ) -> None:
        self._folder, self._form, self._origin, self._finished = folder, form, origin, finished
        self._rows: list[Float32[np.ndarray, "n dim"]] = []

    def add(self, rows: Float32[np.ndarray, "n dim"]) -> None:
        self._rows.append(rows)
        while self._finished and sum(map(len, self._rows)) >= len(self._finished[0][1].ids):
            number, notes = self._finished.popleft()
            waiting = np.concatenate(self._rows)
            own, self._rows = waiting[: len(notes.ids)], [waiting[len(notes.ids) :]]
            write_shard(shard_path(self._folder, number, self._form), own, notes, self._origin)


class _Batch(NamedTuple):
    """The ids of its rows, and the inputs of each tower by name."""

    ids: Sequence[str]
    towers: Mapping[str, tuple[Shaped[np.ndarray, "n ..."], ...]]


def _batches(rows: Iterator[Row], model: Model, feature: str, size: int) -> Iterator[_Batch]:
    """All of one size but the last."""
    while some := list(itertools.islice(rows, size)):
        towers: dict[str, tuple[np.ndarray, ...]] = {}
        if feature != "text":
            images = np.stack([row.image for row in some])  # type: ignore[misc]
            towers["image"] = tuple(parts_of(images))
        if feature != "image":
            towers["text"] = model.tokenizer.encode([row.text for row in some])
        yield _Batch([row.id for row in some], towers)


def _ahead(items: Iterator[T], count: int) -> Iterator[T]:
    """Items made in a thread of their own, `count` of them before they are asked for."""
    end = object()
    with ThreadPoolExecutor(1) as thread:
        futures = deque(thread.submit(next, items, end) for _ in range(count))
        while (item := futures.popleft().result()) is not end:
            futures.append(thread.submit(next, items, end))
            yield item  # type: ignore[misc]


def _encoded(batches: Iterator[_Batch], model: Model, size: int) -> Iterator[Float32[np.ndarray, "n dim"]]:
    """Unit rows; those of a batch are waited for while the device has the next ones."""
    started: deque[tuple[_Batch, list[Array]]] = deque()
    for batch in batches:
        started.append(
            (batch, [model.start(tower, *inputs, size=size) for tower, inputs in batch.towers.items()])
        )
        if len(started) > IN_FLIGHT:
            yield _fetched(*started.popleft())
    while started:
        yield _fetched(*started.popleft())


def _fetched(batch: _Batch, towers: list[Array]) -> Float32[np.ndarray, "n dim"]:
    rows = np.sum([np.asarray(tower)[: len(batch.ids)] for tower in towers], axis=0)
    if len(towers) > 1:
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    if not np.isfinite(rows).all():
        bad = batch.ids[int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0])]
        raise UserError(f"the embedding of record '{bad}' is not finite: the checkpoint may have diverged")
    return rows
