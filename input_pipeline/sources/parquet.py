"""Parquet files as random access to Records: row groups are read on demand and kept while there is room.

Shuffled reading touches row groups in any order. Data beyond the cache is therefore best written with small
row groups (some hundred rows): each miss reads a whole one.
"""

from __future__ import annotations

import itertools
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from input_pipeline.records import BadRecord, Reason, Record
from input_pipeline.sources.columns import Columns, image_bytes, make_record, plain_name, resolve_columns
from input_pipeline.sources.parquet_schema import check_schema, class_names
from input_pipeline.sources.paths import find_files, read_beside
from input_pipeline.sources.shards import THREADS

COLUMNS = Columns(
    captions="captions|caption|text|txt",
    label="label|category",
    group="group|concept",
)
CACHE_BYTES = 1 << 29
Group = list[dict[str, Any] | Record]  # its rows, each from field to value, and once visited a Record


class ParquetSource:
    """Records from one or many parquet files, in the order of file names and rows."""

    def __init__(
        self, path: str, columns: Mapping[str, str] | None = None, cache_bytes: int = CACHE_BYTES
    ) -> None:
        """Open the files' footers.

        Args:
          path: a file, a folder or a pattern.
          columns: names of columns that differ from those of COLUMNS; 'image_path' reads image files that
            lie beside the parquet file in place of an image column.
          cache_bytes: how much decoded data to keep.

        Raises:
          ValueError: no such path, a file that is not parquet, or a missing or mistyped column.
        """
        self._columns = resolve_columns(columns or {}, COLUMNS)
        self._named = frozenset(columns or {})
        self._files = find_files(path, ".parquet")
        self._cache_bytes = cache_bytes
        with ThreadPoolExecutor(min(THREADS, len(self._files))) as pool:
            footers = list(pool.map(self._read_footer, self._files))
        self._present = [present for present, _, _ in footers]
        self._classes = [classes for _, classes, _ in footers]
        # (file, row group within it)
        self._groups = [
            (number, group) for number, (_, _, rows) in enumerate(footers) for group in range(len(rows))
        ]
        self._ends = list(accumulate(itertools.chain(*(rows for _, _, rows in footers))))
        self._start_cache()

    def _read_footer(self, file: Path) -> tuple[dict[str, str], list[str], list[int]]:
        """Which of its columns hold which field, the names of numbered labels, and the rows of each row group."""
        try:
            with pq.ParquetFile(file) as footer:
                groups = [footer.metadata.row_group(group) for group in range(footer.num_row_groups)]
                present = check_schema(file, footer.schema_arrow, self._columns, self._named)
                classes = class_names(footer.schema_arrow, present.get("label"))
        except (pa.ArrowException, OSError) as error:
            raise ValueError(f"{file} is not a readable parquet file: {error}") from None
        return present, classes, [group.num_rows for group in groups]

    def _start_cache(self) -> None:
        self._lock = threading.Lock()
        self._cache: OrderedDict[int, tuple[Group, int]] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key not in ("_lock", "_cache")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._start_cache()

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, index: int) -> Record:
        if not 0 <= index < len(self):
            raise IndexError(f"record {index} of {len(self)}")
        group = bisect_right(self._ends, index)
        row = index - (self._ends[group - 1] if group else 0)
        rows = self._read_group(group)
        values = rows[row]
        if isinstance(values, Record):
            return values
        record = self._record(values, self._groups[group][0], index)
        if not values.get("image_path"):  # an image from elsewhere would be kept beyond the cache's limit
            rows[row] = record
        return record

    def ids(self) -> Iterator[str]:
        """The id of every record, in order; reads that column alone. One that cannot be read is ''."""
        for group, (number, within) in enumerate(self._groups):
            first = self._ends[group - 1] if group else 0
            names: list[Any] = [None] * (self._ends[group] - first)
            column = self._present[number].get("id")
            if column:
                try:
                    names = self._read_columns(number, within, [column]).column(column).to_pylist()
                except BadRecord:
                    yield from ("" for _ in names)
                    continue
            yield from (plain_name(name) or str(first + row) for row, name in enumerate(names))

    def _read_group(self, group: int) -> Group:
        with self._lock:
            if group not in self._cache:
                rows, size = self._load_group(group)
                room = self._cache_bytes - size
                while self._cache and sum(kept for _, kept in self._cache.values()) > room:
                    self._cache.popitem(last=False)
                self._cache[group] = rows, size
            self._cache.move_to_end(group)
            return self._cache[group][0]

    def _load_group(self, group: int) -> tuple[Group, int]:
        number, within = self._groups[group]
        present = self._present[number]
        table = self._read_columns(number, within, list(dict.fromkeys(present.values())))
        try:
            # Python values for the whole group: row by row, arrow's own access costs ten times as much.
            fields = pa.table({field: table.column(name) for field, name in present.items()})
            return fields.to_pylist(), table.nbytes
        except (pa.ArrowException, UnicodeDecodeError) as error:
            raise self._unreadable(number, within, error) from None

    def _read_columns(self, number: int, within: int, names: list[str]) -> pa.Table:
        try:
            with pq.ParquetFile(self._files[number]) as file:
                return file.read_row_group(within, columns=names, use_threads=False)
        except (pa.ArrowException, OSError) as error:
            raise self._unreadable(number, within, error) from None

    def _unreadable(self, number: int, within: int, error: Exception) -> BadRecord:
        return BadRecord(Reason.UNREADABLE, f"row group {within} of {self._files[number]}: {error}")

    def _record(self, values: dict[str, Any], number: int, index: int) -> Record:
        image = image_bytes(values.get("image"))
        if values.get("image_path"):
            image = read_beside(self._files[number].parent, values["image_path"])
        label, classes = values.get("label"), self._classes[number]
        if isinstance(label, int) and 0 <= label < len(classes):
            values = {**values, "label": classes[label]}
        return make_record(values, language=self._columns.language, default_id=str(index), image=image)
