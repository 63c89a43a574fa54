"""Embeddings on disk: shards of rows with what is known of each, written whole or not at all."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float32

from input_pipeline.whole_files import ASIDE, save_array, write_whole, writing_whole

FORMATS = ("npy", "parquet")


@dataclasses.dataclass
class Notes:
    """Holds what is known of the rows of a shard: an entry a row, and how many records were left out, by reason.

    `records` are places in the data, by which the rows of an image and of its texts find each other; `texts` are ''
    where the row is an image's, and `views` the number of each row's view, where there are several of an image.
    """

    records: list[int] = dataclasses.field(default_factory=list)
    ids: list[str] = dataclasses.field(default_factory=list)
    labels: list[str] = dataclasses.field(default_factory=list)
    groups: list[str] = dataclasses.field(default_factory=list)
    tags: list[list[str]] = dataclasses.field(default_factory=list)
    texts: list[str] = dataclasses.field(default_factory=list)
    views: list[int] = dataclasses.field(default_factory=list)
    skipped: Counter[str] = dataclasses.field(default_factory=Counter)


# Column of a Parquet shard -> its type and its field in Notes.
COLUMNS = {
    "record": (pa.int64(), "records"),
    "id": (pa.string(), "ids"),
    "label": (pa.string(), "labels"),
    "group": (pa.string(), "groups"),
    "tags": (pa.list_(pa.string()), "tags"),
    "text": (pa.string(), "texts"),
}


VIEWS = ("view", pa.int64(), "views")  # a column of those that have views


def checkpoint_digest(folder: Path) -> str:
    """Returns what tells a checkpoint's embeddings from another's: the SHA-256 of its manifest."""
    return hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()


def shard_path(folder: Path, number: int, form: str) -> Path:
    """Returns the file that is there once the shard is complete."""
    return folder / f"{number:08d}.{form}"


def remove_unfinished(folder: Path, mine: Callable[[str], bool]) -> None:
    """Removes what writers that were killed have left of some files: each as large as the file was to be.

    Args:
      folder: of the files.
      mine: whether a file of this name is written by this process alone, which has begun none yet.
    """
    for path in sorted(folder.glob(f"*{ASIDE}")):
        if mine(path.name.removesuffix(ASIDE).rpartition(".")[0]):
            path.unlink(missing_ok=True)


def write_shard(
    path: Path, rows: Float32[np.ndarray, "n dim"], notes: Notes, origin: Mapping[str, str] | None = None
) -> None:
    """Writes NUMBER.npy with NUMBER.json beside it, or NUMBER.parquet, which is renamed last.

    Args:
      path: its suffix is '.npy' or '.parquet'.
      rows: embeddings.
      notes: what is known of them.
      origin: what a Parquet file says of them, such as the digests of the `checkpoint` that made them and of the
        settings of the `views` that they are of; '' is left out.
    """
    if path.suffix == ".npy":
        write_whole(path.with_suffix(".json"), json.dumps(vars(notes)).encode())
    with writing_whole(path) as file:
        if path.suffix == ".npy":
            save_array(file, rows)
        else:
            pq.write_table(_table(rows, notes, origin or {}), file)


def _table(rows: Float32[np.ndarray, "n dim"], notes: Notes, origin: Mapping[str, str]) -> pa.Table:
    columns = {name: pa.array(getattr(notes, field), kind) for name, (kind, field) in COLUMNS.items()}
    if notes.views:
        columns[VIEWS[0]] = pa.array(notes.views, VIEWS[1])
    values = pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), rows.shape[1])
    table = pa.table({**columns, "embedding": values})
    said = {"skipped": json.dumps(notes.skipped), **{name: value for name, value in origin.items() if value}}
    return table.replace_schema_metadata(said)


def read_shard(path: Path) -> tuple[Float32[np.ndarray, "n dim"], Notes]:
    """Reads a shard: its rows, which stay on disk where it is .npy, and what is known of them."""
    if path.suffix == ".npy":
        notes = Notes(**json.loads(path.with_suffix(".json").read_text()))
        return np.load(path, mmap_mode="r"), dataclasses.replace(notes, skipped=Counter(notes.skipped))
    table = pq.read_table(path)
    known = {field: table[name].to_pylist() for name, (_, field) in COLUMNS.items()}
    if VIEWS[0] in table.column_names:
        known[VIEWS[2]] = table[VIEWS[0]].to_pylist()
    skipped = Counter(json.loads(table.schema.metadata[b"skipped"]))
    dim = table.schema.field("embedding").type.list_size
    rows = table["embedding"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return rows.reshape(-1, dim), Notes(**known, skipped=skipped)


class Embeddings:
    """Holds what the shards of a folder hold, as points; of .npy shards only what is asked for is read."""

    def __init__(self, folder: Path) -> None:
        """Opens every finished shard."""
        paths = sorted(path for form in FORMATS for path in folder.glob(f"*.{form}"))
        self.files = [path.name for path in paths]
        shards = [read_shard(path) for path in paths]
        self._arrays, self._notes = [rows for rows, _ in shards], [notes for _, notes in shards]
        self._ends = np.cumsum([len(array) for array in self._arrays])

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
        """Returns how many records were left out, by reason."""
        return sum((notes.skipped for notes in self._notes), Counter())

    def ids(self) -> Iterator[str]:
        """Yields the ids of the records, one a row."""
        return itertools.chain.from_iterable(notes.ids for notes in self._notes)

    def records(self) -> Iterator[int]:
        """Tells which records of the data the rows are of."""
        return itertools.chain.from_iterable(notes.records for notes in self._notes)

    def notes(self) -> Notes:
        """Returns what is known of the records of all rows."""
        whole = Notes(skipped=self.skipped)
        for notes in self._notes:
            for field in (*(field for _, field in COLUMNS.values()), VIEWS[2]):
                getattr(whole, field).extend(getattr(notes, field))
        return whole
