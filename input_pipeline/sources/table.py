"""Tables of image paths and captions, csv, tsv and JSON lines, as random access to Records.

The place of every row is found once and remembered in the cache folder; a row is parsed when it is read. Image
paths are relative to the table. They may lead into a folder beside the table's own (`annotations/train.csv` may
name `../images/1.jpg`) but no further up: such rows are bad records.
"""

from __future__ import annotations

import abc
import copy
import csv
import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from input_pipeline.addresses import is_address, redacted
from input_pipeline.errors import UserError
from input_pipeline.records import BadRecord, Reason, Record
from input_pipeline.sources import rows
from input_pipeline.sources.cache import Index, cached_index
from input_pipeline.sources.columns import (
    Columns,
    alternatives,
    check_columns,
    image_bytes,
    image_path,
    make_record,
    only_fields,
    pick,
    plain_name,
    resolve_columns,
)
from input_pipeline.sources.csv_rows import csv_fields, csv_rows, dialect_of
from input_pipeline.sources.files import open_file
from input_pipeline.sources.paths import find_files, find_folder, read_beside
from input_pipeline.sources.shards import FileVersion, Shards, examine

FORMATS = {"csv": "CsvSource", "jsonl": "JsonlSource"}
SUFFIXES = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "csv"}
ALSO_BESIDE = True
IMAGE_FILES = True

COLUMNS = Columns(
    image="",
    image_path="image|image_path|file_name|filename|filepath|path|file",
    captions="captions|caption|text|title|sentence",
    label="label|category|class",
    group="group|concept",
)


class _Table(abc.ABC):
    """Rows of one or many files; the formats differ in where a row lies and in what it says."""

    suffixes: ClassVar[tuple[str, ...]]

    def __init__(self, path: str, columns: Mapping[str, str] | None = None, image_folder: str = "") -> None:
        """Find the rows, or their index in the cache.

        Args:
          path: a file, a folder or a pattern.
          columns: names of columns or keys.
          image_folder: where paths of images start, and what they may not leave; '' = the table's own folder,
            and the one above it.

        Raises:
          ValueError: no such path, no readable file, or a name that the first rows do not have.
        """
        self._columns = resolve_columns(columns or {}, COLUMNS)
        if is_address(path) and not image_folder:
            raise UserError(
                f"{redacted(path)} names images that lie beside it, which are not fetched one by one: "
                "copy the folder here, name it as image_folder, or pack it into shards"
            )
        self._images = find_folder(image_folder) if image_folder else None
        files = find_files(path, *self.suffixes)
        self._shards = Shards(examine(files, lambda file: len(self._places(file))))
        check_columns(path, self._sample, len(self), self._columns, columns or {})

    def __len__(self) -> int:
        return len(self._shards)

    def in_order(self, fields: Collection[str]) -> _Table:
        """Returns the same records with some of their fields: no image is read that is not asked for."""
        other = copy.copy(self)
        other._columns = only_fields(self._columns, fields)
        return other

    def digest(self) -> str:
        """Returns a few letters for what the files hold."""
        return self._shards.digest()

    def __getitem__(self, index: int) -> Record:
        sample = self._sample(index)
        values = pick(sample, self._columns)
        image = image_bytes(values.get("image"))
        if name := image_path(values):
            folder = self._images or Path(self._shards.locate(index)[0].path).parent
            above = self._images or folder.parent
            image = read_beside(
                folder, name, above if above != Path(folder.anchor) or self._images else folder
            )
        return make_record(values, language=self._columns.language, default_id=str(index), image=image)

    def ids(self) -> Iterator[str]:
        """The id of every record, in order, without its image; '' for a row that cannot be read."""
        for index in range(len(self)):
            try:
                yield plain_name(pick(self._sample(index), self._columns).get("id")) or str(index)
            except BadRecord:
                yield ""

    def _sample(self, index: int) -> dict[str, Any]:
        file, place = self._shards.locate(index)
        first, end, line = self._places(file)[place].tolist()
        try:
            return self._parse(file, open_file(file).read(first, end - first))
        except (ValueError, RecursionError, csv.Error, StopIteration) as error:
            raise BadRecord(Reason.UNREADABLE, f"{file.path}, line {line}: {error}") from None

    @abc.abstractmethod
    def _places(self, file: FileVersion) -> Index:
        """First and end byte, and line, of every row."""

    @abc.abstractmethod
    def _parse(self, file: FileVersion, row: bytes) -> dict[str, Any]:
        """What the bytes of a row say, by column or key."""


class JsonlSource(_Table):
    """One JSON object a line. A .json file is an array of objects, or one object."""

    suffixes = (".jsonl", ".ndjson", ".json")

    def _places(self, file: FileVersion) -> Index:
        if file.path.lower().endswith(".json"):
            return cached_index("json elements 2", 3, file, rows.json_elements)
        return cached_index("lines 2", 3, file, rows.lines)

    def _parse(self, file: FileVersion, row: bytes) -> dict[str, Any]:
        value = json.loads(row)  # of a key that comes twice, the last value counts
        if not isinstance(value, dict):
            raise UserError(f"{str(value)[:40]} is no object")
        return value


class CsvSource(_Table):
    """Rows below a header; what separates their fields is found in it."""

    suffixes = (".csv", ".tsv")

    def _places(self, file: FileVersion) -> Index:
        header = dialect_of(file).header
        for _, names in alternatives(self._columns):
            for name in names:
                if header.count(name) > 1:
                    raise UserError(
                        f"{file.path} has {header.count(name)} columns '{name}': give each a name of its own"
                    )
        return cached_index("csv rows 2", 3, file, csv_rows)

    def _parse(self, file: FileVersion, row: bytes) -> dict[str, Any]:
        return dict(csv_fields(file, row))
