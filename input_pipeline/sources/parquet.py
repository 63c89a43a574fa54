"""Parquet files as random access to Records: row groups are read on demand and kept while there is room.

Shuffled reading touches row groups in any order. Data beyond the cache is therefore best written with small
row groups (some hundred rows): each miss reads a whole one.
"""

from __future__ import annotations

import copy
import itertools
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple, cast

import pyarrow as pa
import pyarrow.parquet as pq

from input_pipeline.errors import UserError
from input_pipeline.records import BadRecord, Reason, Record
from input_pipeline.sources.columns import (
    Columns,
    alternatives,
    image_bytes,
    image_path,
    make_record,
    only_fields,
    pick,
    plain_name,
    resolve_columns,
)
from input_pipeline.sources.parquet_footer import rows_at
from input_pipeline.sources.parquet_schema import class_name, class_names, file_columns, top_names
from input_pipeline.sources.parquet_size import read_row_group
from input_pipeline.sources.paths import find_files, find_folder, read_beside
from input_pipeline.sources.shards import FileVersion, Shards, examine

FORMATS = {"parquet": "ParquetSource"}
SUFFIXES = {".parquet": "parquet"}
STREAMED = True
ALSO_BESIDE = True
IMAGE_FILES = True

COLUMNS = Columns(
    captions="captions|caption|text|txt",
    label="label|category",
    group="group|concept",
)
CACHE_BYTES = 1 << 29
Group = list[dict[str, Any] | Record]  # its rows, each by column, and once visited a Record


class _Footer(NamedTuple):
    """What a file says of itself.

    Attributes:
      columns: that it has, of those looked for.
      read: the names of the columns to read.
      classes: by column, the names of numbered classes.
      ends: where each row group ends, in rows.
    """

    columns: Columns
    read: list[str]
    classes: Mapping[str, list[str]]
    ends: list[int]

    def only(self, fields: Collection[str]) -> _Footer:
        """Returns what it says of some fields of a Record."""
        columns = only_fields(self.columns, fields)
        wanted = {
            part
            for _, names in alternatives(columns)
            for name in names
            for part in (name, name.partition("/")[0])
        }
        return self._replace(
            columns=columns, read=[name for name in self.read if name in wanted] or self.read
        )


class ParquetSource:
    """Records from one or many parquet files, in the order of file names and rows."""

    rows_at = staticmethod(rows_at)  # of a file in a bucket

    def __init__(
        self,
        path: str,
        columns: Mapping[str, str] | None = None,
        cache_bytes: int = CACHE_BYTES,
        image_folder: str = "",
        defaults: Columns = COLUMNS,
    ) -> None:
        """Opens the files' footers.

        Args:
          path: a file, a folder or a pattern.
          columns: names of columns that differ from the defaults; 'image_path' reads image files that lie beside
            the parquet file in place of an image column.
          cache_bytes: how much decoded data to keep.
          image_folder: where paths of images start, and what they may not leave; '' = the folder of their file.
          defaults: the names that are looked for.

        Raises:
          ValueError: no such path, no readable file, or a missing or mistyped column.
        """
        self._columns = resolve_columns(columns or {}, defaults)
        self._named = frozenset(columns or {})
        self._images = find_folder(image_folder) if image_folder else None
        self._cache_bytes = cache_bytes
        self._footers: dict[str, _Footer] = {}
        self._shards = Shards(examine(find_files(path, ".parquet"), self._count))
        self._start_cache()

    def _count(self, file: FileVersion) -> int:
        """Reads a file's footer, and returns how many rows it has."""
        path = Path(file.path)
        try:
            with pq.ParquetFile(path) as footer:
                schema = footer.schema_arrow
                rows = [footer.metadata.row_group(group).num_rows for group in range(footer.num_row_groups)]
        except (pa.ArrowException, OSError) as error:
            raise UserError(f"{path} is not a readable parquet file: {error}") from None
        columns = file_columns(path, schema, self._columns, self._named)
        read = top_names(columns, schema)
        ends = list(accumulate(rows))
        self._footers[file.path] = _Footer(columns, read, class_names(schema), ends)
        return ends[-1] if ends else 0

    def _start_cache(self) -> None:
        self._lock = threading.Lock()
        self._cache: OrderedDict[tuple[str, int], tuple[Group, int]] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key not in ("_lock", "_cache")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._start_cache()

    def __len__(self) -> int:
        return len(self._shards)

    def in_order(self, fields: Collection[str]) -> ParquetSource:
        """Returns the same records with some of their fields: reads no other column, and keeps one row group."""
        other = copy.copy(self)  # without what is cached, as `__getstate__` says
        other._cache_bytes = 0
        other._footers = {path: footer.only(fields) for path, footer in self._footers.items()}
        return other

    def digest(self) -> str:
        """Returns a few letters for what the files hold."""
        return self._shards.digest()

    def __getitem__(self, index: int) -> Record:
        file, place = self._shards.locate(index)
        footer = self._footers[file.path]
        group = bisect_right(footer.ends, place)
        row = place - (footer.ends[group - 1] if group else 0)
        rows = self._read_group(file, group)
        sample = rows[row]
        if isinstance(sample, Record):
            return sample
        values = pick(sample, footer.columns)
        if nameless := [value for value in values.values() if isinstance(value, BadRecord)]:
            raise BadRecord(nameless[0].reason, nameless[0].detail)
        image, path = image_bytes(values.get("image")), image_path(values)
        if path:
            folder = self._images or Path(file.path).parent
            image = read_beside(folder, path)
        record = make_record(values, language=self._columns.language, default_id=str(index), image=image)
        if not path:  # an image from elsewhere would be kept beyond the cache's limit
            rows[row] = record
        return record

    def ids(self) -> Iterator[str]:
        """Yields the id of every record, in order; reads that column alone. One that cannot be read is ''."""
        for first, file in self._shards.spans():
            footer = self._footers.get(file.path)
            if footer is None:  # it stands for a file that cannot be read
                yield ""
                continue
            for group, end in enumerate(footer.ends):
                start = footer.ends[group - 1] if group else 0
                yield from self._group_ids(file, group, range(first + start, first + end))

    def values(self, field: str) -> Iterator[Any]:
        """Yields what every record has as a field, in order; reads that column alone. None of one that cannot be
        read."""
        for _, file in self._shards.spans():
            footer = self._footers.get(file.path)
            if footer is None:
                yield None
                continue
            for group, end in enumerate(footer.ends):
                count = end - (footer.ends[group - 1] if group else 0)
                try:
                    yield from self._group_values(file, group, field)
                except BadRecord:
                    yield from itertools.repeat(None, count)

    def _group_ids(self, file: FileVersion, group: int, numbers: range) -> list[str]:
        try:
            ids = self._group_values(file, group, "id")
        except BadRecord:
            return [""] * len(numbers)
        return [plain_name(value) or str(number) for value, number in zip(ids, numbers, strict=True)]

    def _group_values(self, file: FileVersion, group: int, field: str) -> list[Any]:
        footer = self._footers[file.path]
        named = getattr(footer.columns, field)
        if not named:
            count = footer.ends[group] - (footer.ends[group - 1] if group else 0)
            return [None] * count
        names = (name if name in footer.read else name.partition("/")[0] for name in named.split("|"))
        rows, _ = self._load_group(file, group, list(dict.fromkeys(names)))
        values = [pick(cast(dict[str, Any], row), footer.columns).get(field) for row in rows]
        return [None if isinstance(value, BadRecord) else value for value in values]

    def _read_group(self, file: FileVersion, group: int) -> Group:
        key = file.path, group
        with self._lock:
            if key not in self._cache:
                rows, size = self._load_group(file, group)
                room = self._cache_bytes - size
                while self._cache and sum(kept for _, kept in self._cache.values()) > room:
                    self._cache.popitem(last=False)
                self._cache[key] = rows, size
            self._cache.move_to_end(key)
            return self._cache[key][0]

    def _load_group(
        self, file: FileVersion, group: int, columns: list[str] | None = None
    ) -> tuple[Group, int]:
        footer = self._footers[file.path]
        count = footer.ends[group] - (footer.ends[group - 1] if group else 0)
        read = footer.read if columns is None else columns
        table = read_row_group(file, group, read, count)
        try:
            # Python values for the whole group: row by row, arrow's own access costs ten times as much.
            rows: Group = table.to_pylist()
        except (pa.ArrowException, UnicodeDecodeError) as error:
            raise BadRecord(Reason.UNREADABLE, f"row group {group} of {file.path}: {error}") from None
        for column, names in footer.classes.items():
            if column in read:
                for row in rows:
                    row[column] = class_name(row[column], names)  # type: ignore[index]
        return rows, table.nbytes
