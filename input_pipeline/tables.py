"""Side tables: a value for each record id, such as cluster numbers or embeddings computed elsewhere."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Shaped, UInt64

from input_pipeline.errors import UserError
from input_pipeline.records import BadRecord, Reason
from input_pipeline.sources.columns import plain_name
from input_pipeline.sources.paths import find_files

_KEYS = ("path", "column", "missing", "of", "checkpoint")
_COLUMN_OF = {"image": "view"}  # what else a value is of is a text


def hash64(text: str | bytes) -> int:
    """Returns the first 64 bits of BLAKE2b: equal on every machine. Of 10^8 texts, two are equal with probability
    3e-4."""
    return int.from_bytes(_digest(text), "little")


def hash_halves(texts: Sequence[str]) -> Shaped[np.ndarray, "n 2"]:
    """Splits each text's 64-bit hash into two int32, for devices have no 64-bit integers: int32 [n, 2]."""
    return np.frombuffer(b"".join(map(_digest, texts)), "<i4").reshape(len(texts), 2).astype(np.int32)


def _digest(text: str | bytes) -> bytes:
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    return hashlib.blake2b(data, digest_size=8).digest()


@dataclass(frozen=True, eq=False)
class Table:
    """One value for each of many records, all of one shape and dtype: 10 bytes a record beside the values.

    A record is named by its id or, in a table with the column `source`, by its source's name in `data.sources` and
    its id: ids of several data sets need not differ.

    Attributes:
      name: of the batch field.
      hashes: of what names a record, sorted.
      values: in the order of the hashes; int32 or float32.
      fill: whether a record without a value gets -1 (integers) or 0 (floats); else it is bad.
      by_source: whether the source is part of the name.
      example: the name of one record, for errors.
      numbers: the least and the greatest id by source ('' in a table without), where all ids are whole numbers.
      of_what: what of a record a value is of, beside its id: a view of its 'image', or a text; '' = the record.
      views: how many views of an image there are values of, in a table of these.
    """

    name: str
    hashes: UInt64[np.ndarray, " n"]
    values: Shaped[np.ndarray, "n ..."]
    fill: bool
    by_source: bool
    example: str
    numbers: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    of_what: str = ""
    views: int = 0
    _claims: Shaped[np.ndarray, " n"] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # Of a table without sources: which source asked for a value first. Another that asks for it is a mistake.
        object.__setattr__(self, "_claims", np.zeros(0 if self.by_source else len(self.hashes), np.uint16))

    def of(self, source: str, identifier: str, shown: str = "") -> Shaped[np.ndarray, ...]:
        """Returns the value of a record, or of what is shown of it.

        Raises:
          BadRecord: there is none, and missing ones are to be skipped.
          ValueError: records of two sources have this id, and the table does not say which of them it means.
        """
        place = self.place(source, identifier, shown)
        if place is not None:
            self._claim(place, source, identifier)
            return self.values[place]
        if not self.fill:
            raise BadRecord(
                Reason.NOT_IN_TABLE,
                f"record '{identifier}' of source '{source}'{_said(shown)} is not in data.tables.{self.name}",
            )
        return np.full(self.values.shape[1:], -1 if self.values.dtype == np.int32 else 0, self.values.dtype)

    def place(self, source: str, identifier: str, shown: str = "") -> int | None:
        """Returns the row of a record, or of what is shown of it; None where there is none."""
        wanted = np.uint64(hash64(_key(source if self.by_source else "", identifier, shown)))
        place = int(self.hashes.searchsorted(wanted))
        return place if place < len(self.hashes) and self.hashes[place] == wanted else None

    def bounds(self) -> tuple[int, int] | None:
        """Returns the least and the greatest of integer values, such as class numbers; None of other tables."""
        if self.values.dtype != np.int32 or not self.values.size:
            return None
        return int(self.values.min()), int(self.values.max())

    def _claim(self, place: int, source: str, identifier: str) -> None:
        if self.by_source:
            return
        own = 1 + hash64(source) % 65535
        if not self._claims[place]:
            self._claims[place] = own
        elif self._claims[place] != own:
            raise ambiguous(self.name, identifier)


def ambiguous(table: str, identifier: str) -> UserError:
    """Returns what to say where records of two sources have an id of a table that knows no sources."""
    return UserError(
        f"data.tables.{table}: records of two sources have the id '{identifier}', and the table does not say which "
        "of them it means: give it a column `source` with their names in data.sources, as --job=cluster does for "
        "several sources, or name a column of ids that differ in their `columns`"
    )


def load_table(name: str, config: Mapping[str, Any], *, where: str = "") -> Table:
    """Reads a table whole, about a microsecond an id.

    Args:
      name: of the batch field, and of the value column unless `column` names another.
      config: {"path", "column", "missing", "of"}: parquet files with the column `id` and one of numbers, or of lists
        of numbers of one length, and perhaps `source`; `missing` is 'skip' (default) or 'fill'. Where values are `of`
        an image's views or of texts, a column `view` or `text` says of which. Who reads `checkpoint` is not here.
      where: it is asked for, for errors; '' = data.tables.NAME.

    Raises:
      ValueError: the files or the values are not like this, a number is not finite, or an id stands there twice.
    """
    where = where or f"data.tables.{name}"
    unknown = set(config) - set(_KEYS)
    if unknown:
        raise UserError(f"{where}: '{min(unknown)}' is not one of {', '.join(_KEYS)}")
    missing, column, what = (
        config.get("missing") or "skip",
        config.get("column") or name,
        config.get("of") or "",
    )
    if missing not in ("skip", "fill") or (what and missing == "fill"):
        raise UserError(f"{where}.missing='{missing}' is not one of skip{', fill' * (not what)}")
    try:
        sources, ids, shown, values = _read(config.get("path", ""), column, what)
    except ValueError as error:
        raise UserError(f"{where}: {error}") from None
    keys = [_key(*names) for names in zip(sources or [""] * len(ids), ids, shown, strict=True)]
    hashes = np.fromiter(map(hash64, keys), np.uint64, len(keys))
    order = np.argsort(hashes)
    hashes = hashes[order]
    twice = np.flatnonzero(hashes[1:] == hashes[:-1])
    if len(twice):
        row = order[twice[0]]
        of = (f" of source '{sources[row]}'" if sources else "") + _said(shown[row])
        advice = "" if sources else ", or say in a column `source` of which entry of data.sources each is"
        raise UserError(f"{where}: the id '{ids[row]}'{of} has two values: keep one row an id{advice}")
    example = f"'{ids[0]}'" + (f" of source '{sources[0]}'" if sources else "")
    numbers = {} if what else _numbers(sources or [""] * len(ids), ids)
    views = max(map(int, shown)) + 1 if what == "image" else 0
    fill = missing == "fill"
    return Table(name, hashes, values[order], fill, bool(sources), example, numbers, what, views)


def _numbers(sources: Sequence[str], ids: Sequence[str]) -> dict[str, tuple[int, int]]:
    """The least and the greatest id of each source, if every id is a whole number."""
    if not all(identifier.isdecimal() and len(identifier) < 16 for identifier in ids):
        return {}
    found: dict[str, tuple[int, int]] = {}
    for source, number in zip(sources, map(int, ids), strict=True):
        least, greatest = found.get(source, (number, number))
        found[source] = min(least, number), max(greatest, number)
    return found


def _key(source: str, identifier: str, shown: str) -> str:
    """What names a value: the id alone, where neither its source nor what is shown matters."""
    own = f"{source}\0{identifier}" if source else identifier
    return f"{own}\1{shown}" if shown else own


def _said(shown: str) -> str:
    return f", shown as '{shown}'," if shown else ""


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
                    raise UserError(f"{file} has no column '{column}'; it has {', '.join(names)}")
            parts.append(pq.read_table(file, columns=list(columns)))
        except (pa.ArrowException, OSError) as error:
            raise UserError(f"{file} is not a readable parquet file: {error}") from None
    return pa.concat_tables(parts)


def _read(
    path: str, column: str, what: str
) -> tuple[list[str], list[str], list[str], Shaped[np.ndarray, "n ..."]]:
    """Sources (none where the table has no such column), ids, what is shown of these, and values of the rows that have
    all of them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with_source = [pq.read_schema(file).names.count("source") for file in find_files(path, ".parquet")]
    except (pa.ArrowException, OSError):
        with_source = []  # which `read_parquet` says better
    of = _COLUMN_OF.get(what, "text") if what else ""
    names = ["id", column, *([of] if of else [])]
    names += ["source"] if any(with_source) and column != "source" else []
    table = read_parquet(path, *names).drop_null().combine_chunks()
    if not len(table):
        raise UserError(f"there is no row with both 'id' and '{column}'")
    ids = list(map(plain_name, table.column("id").to_pylist()))
    sources = list(map(plain_name, table.column("source").to_pylist())) if "source" in names else []
    shown = list(map(str, table.column(of).to_pylist())) if of else [""] * len(ids)
    values = _array(table.column(column).chunk(0), column)
    finite = np.isfinite(values).reshape(len(values), -1).all(1)
    if not finite.all():
        raise UserError(
            f"column '{column}' has {int((~finite).sum())} rows with NaN or infinity, the first of id "
            f"'{ids[int(np.argmin(finite))]}': leave them out, or make them finite"
        )
    return sources, ids, shown, values


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
            raise UserError(
                f"column '{column}' has lists of {min(lengths)} to {max(lengths)} items: make them one length"
            )
        shape, values = (len(values), lengths[0]), values.flatten()
    kind = values.type
    if values.null_count or not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        raise UserError(
            f"column '{column}' holds {kind} with {values.null_count} nulls, not numbers or lists of them"
        )
    array = values.to_numpy(zero_copy_only=False).reshape(shape)
    if pa.types.is_floating(kind):
        return array.astype(np.float32)
    limits = np.iinfo(np.int32)
    if array.size and (array.min() < limits.min or array.max() > limits.max):
        raise UserError(f"column '{column}' has {array.max()} or {array.min()}, beyond 32-bit integers")
    return array.astype(np.int32)
