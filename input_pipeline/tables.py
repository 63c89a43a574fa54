"""Side tables: a value for each record id, such as cluster numbers or embeddings computed elsewhere."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Shaped, UInt64

from input_pipeline.records import BadRecord, Reason
from input_pipeline.sources.paths import find_files


def hash64(text: str) -> int:
    """The first 64 bits of BLAKE2b: equal on every machine. Of 10^8 texts, two are equal with probability 3e-4."""
    return int.from_bytes(_digest(text), "little")


def hash_halves(texts: Sequence[str]) -> Shaped[np.ndarray, "n 2"]:
    """Each text's 64-bit hash as two int32, for devices have no 64-bit integers: int32 [n, 2]."""
    return np.frombuffer(b"".join(map(_digest, texts)), "<i4").reshape(len(texts), 2).astype(np.int32)


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()


@dataclass(frozen=True, eq=False)
class Table:
    """One value for each of many ids, all of one shape and dtype: 8 bytes an id beside the values.

    Attributes:
      name: of the batch field.
      hashes: of the ids, sorted.
      values: in the order of the hashes; int32 or float32.
      fill: whether an id without a value gets -1 (integers) or 0 (floats); else its record is bad.
    """

    name: str
    hashes: UInt64[np.ndarray, " n"]
    values: Shaped[np.ndarray, "n ..."]
    fill: bool

    def __getitem__(self, identifier: str) -> Shaped[np.ndarray, ...]:
        """The value of a record's id.

        Raises:
          BadRecord: there is none, and missing ones are to be skipped.
        """
        wanted = np.uint64(hash64(identifier))
        place = int(self.hashes.searchsorted(wanted))
        if place < len(self.hashes) and self.hashes[place] == wanted:
            return self.values[place]
        if not self.fill:
            raise BadRecord(Reason.NOT_IN_TABLE, f"record '{identifier}' is not in data.tables.{self.name}")
        return np.full(self.values.shape[1:], -1 if self.values.dtype == np.int32 else 0, self.values.dtype)


def load_table(name: str, config: Mapping[str, Any]) -> Table:
    """Read a table whole, about a microsecond an id.

    Args:
      name: of the batch field, and of the value column unless `column` names another.
      config: {"path", "column", "missing"}: parquet files with the column `id` and one of numbers, or of lists
        of numbers of one length; `missing` is 'skip' (default) or 'fill'.

    Raises:
      ValueError: the files or the values are not like this, or an id stands there twice.
    """
    where = f"data.tables.{name}"
    unknown = set(config) - {"path", "column", "missing"}
    if unknown:
        raise ValueError(f"{where}: '{min(unknown)}' is not one of path, column, missing")
    missing, column = config.get("missing") or "skip", config.get("column") or name
    if missing not in ("skip", "fill"):
        raise ValueError(f"{where}.missing='{missing}' is not one of skip, fill")
    try:
        ids, values = _read(config.get("path", ""), column)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    hashes = np.fromiter(map(hash64, ids), np.uint64, len(ids))
    order = np.argsort(hashes)
    hashes = hashes[order]
    twice = np.flatnonzero(hashes[1:] == hashes[:-1])
    if len(twice):
        raise ValueError(f"{where}: the id '{ids[order[twice[0]]]}' has two values: keep one row an id")
    return Table(name, hashes, values[order], missing == "fill")


def read_parquet(path: str, *columns: str) -> Any:
    """Columns of parquet files as one arrow table.

    Raises:
      ValueError: there are no such files, one is not parquet, or one lacks a column.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    parts = []
    for file in find_files(path, ".parquet"):
        try:
            names = pq.read_schema(file).names
            for column in columns:
                if column not in names:
                    raise ValueError(f"{file} has no column '{column}'; it has {', '.join(names)}")
            parts.append(pq.read_table(file, columns=list(columns)))
        except (pa.ArrowException, OSError) as error:
            raise ValueError(f"{file} is not a readable parquet file: {error}") from None
    return pa.concat_tables(parts)


def _read(path: str, column: str) -> tuple[list[str], Shaped[np.ndarray, "n ..."]]:
    """Ids and values of the rows that have both."""
    table = read_parquet(path, "id", column).drop_null().combine_chunks()
    if not len(table):
        raise ValueError(f"there is no row with both 'id' and '{column}'")
    return list(map(str, table.column("id").to_pylist())), _array(table.column(column).chunk(0), column)


def _array(values: Any, column: str) -> Shaped[np.ndarray, "n ..."]:
    """Arrow numbers, or equally long lists of them, as int32 or float32."""
    import pyarrow as pa
    import pyarrow.compute as pc

    shape: tuple[int, ...] = (len(values),)
    if (
        pa.types.is_list(values.type)
        or pa.types.is_large_list(values.type)
        or pa.types.is_fixed_size_list(values.type)
    ):
        lengths = pc.unique(pc.list_value_length(values)).to_pylist()
        if len(lengths) != 1:
            raise ValueError(
                f"column '{column}' has lists of {min(lengths)} to {max(lengths)} items: make them one length"
            )
        shape, values = (len(values), lengths[0]), values.flatten()
    kind = values.type
    if values.null_count or not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        raise ValueError(
            f"column '{column}' holds {kind} with {values.null_count} nulls, not numbers or lists of them"
        )
    array = values.to_numpy(zero_copy_only=False).reshape(shape)
    if pa.types.is_floating(kind):
        return array.astype(np.float32)
    limits = np.iinfo(np.int32)
    if array.size and (array.min() < limits.min or array.max() > limits.max):
        raise ValueError(f"column '{column}' has {array.max()} or {array.min()}, beyond 32-bit integers")
    return array.astype(np.int32)
