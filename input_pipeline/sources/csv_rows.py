"""Rows of csv and tsv files: where each lies, and its fields.

What separates fields is found in the header: the comma, or the tab of a .tsv, where the header has it, else what it
has instead. Of a row that is quoted wrongly no more than its line is lost: a quote that nothing closes, or that only
another row's quote closes, ends with its line.
"""

from __future__ import annotations

import ast
import collections
import csv
import functools
import io
import json
from collections.abc import Iterator
from typing import NamedTuple

from input_pipeline.errors import UserError
from input_pipeline.sources.cache import Index
from input_pipeline.sources.rows import Encoding, array, encoding_of, raw_lines
from input_pipeline.sources.shards import OPEN_FILES, FileVersion

_SEPARATORS = ",\t;|"
_LONGEST_FIELD = 1 << 22  # a forgotten quote would swallow the rest of the file
_Line = tuple[int, bytes]


class Dialect(NamedTuple):
    """Says how a file writes rows, and the names in its first one."""

    separator: str
    header: tuple[str, ...]
    encoding: Encoding


class _Lines:
    """Lines of which some can be put back."""

    def __init__(self, lines: Iterator[_Line]) -> None:
        self._lines, self._back = lines, collections.deque[_Line]()

    def __iter__(self) -> Iterator[_Line]:
        return self

    def __next__(self) -> _Line:
        return self._back.popleft() if self._back else next(self._lines)

    def put_back(self, lines: list[_Line]) -> None:
        self._back.extendleft(reversed(lines))


@functools.lru_cache(OPEN_FILES)
def dialect_of(file: FileVersion) -> Dialect:
    """Reads the first row that is not blank.

    Raises:
      ValueError: there is none.
    """
    encoding = encoding_of(file)
    lines = _Lines(raw_lines(file, encoding))
    first = next((line for line in lines if encoding.text(line[1]).strip()), None)
    if first is None:
        raise UserError(f"{file.path} is empty: the first row names the columns")
    separator = _separator(encoding.text(first[1]), "\t" if file.path.lower().endswith(".tsv") else ",")
    unnamed = Dialect(separator, (), encoding)
    _, row = _row(first, lines, unnamed)
    return unnamed._replace(header=tuple(name.strip() for name in _fields(encoding.text(row), separator)))


def csv_rows(file: FileVersion) -> Index:
    """Finds the rows below the header that are not blank; a quoted field may have line breaks."""
    dialect = dialect_of(file)
    places: list[tuple[int, int, int]] = []
    lines, number = _Lines(raw_lines(file, dialect.encoding)), 1
    feed = "\n".encode(dialect.encoding.name or "ascii")
    for line in lines:
        first, row = _row(line, lines, dialect)
        if _is_filled(dialect.encoding.text(row), dialect.separator):
            places.append((first, first + len(row), number))
        number += max(1, row.count(feed))
    return array(places[1:])


def csv_fields(file: FileVersion, row: bytes) -> dict[str, str | list[str]]:
    """Returns the fields of one row by the names in the header; a list of texts that was written as JSON or as
    Python shows it is that list.

    Raises:
      ValueError: there are more or fewer fields than names.
      csv.Error: a field is too long.
    """
    separator, header, encoding = dialect_of(file)
    fields = _fields(encoding.text(row), separator, strict=False)
    if len(fields) != len(header):
        raise UserError(
            f"{len(fields)} fields under {len(header)} names: a field with {separator!r} in it must be in quotes"
        )
    return dict(zip(header, map(_listed, fields), strict=True))


def _listed(field: str) -> str | list[str]:
    """The texts of a field such as '["a dog", "a brown dog"]', which data frames make of a list; all else as it is."""
    if not (field.startswith(("['", '["')) and field.endswith(("']", '"]'))):
        return field
    try:
        # Texts without commas between them, as arrays are shown, would run together: Python's own form, or JSON.
        shown = ast.literal_eval(field)
        values = shown if repr(shown) == field else json.loads(field)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return field
    return values if all(isinstance(value, str) for value in values) else field


def _row(line: _Line, lines: _Lines, dialect: Dialect) -> _Line:
    """The row that begins with a line; what is not of it stays among the lines to come."""
    separator, header, encoding = dialect
    first, data = line
    text = encoding.text(data)
    if '"' not in text or not _breaks_off(text, separator):
        return line
    whole = header and separator == "\t" and text.count(separator) == len(header) - 1
    looked: list[_Line] = []
    size, quotes = len(data), text.count('"')
    for other in lines:
        looked.append(other)
        more = encoding.text(other[1])
        size, quotes = size + len(other[1]), quotes + more.count('"')
        if size > _LONGEST_FIELD or (whole and more.count(separator) == len(header) - 1):
            break  # in a table of tabs, a line with all its fields is a row
        if quotes % 2 == 0:
            joined = data + b"".join(part for _, part in looked)
            if _is_row(encoding.text(joined), dialect):
                return first, joined
            break
    lines.put_back(looked)
    return line


def _is_filled(text: str, separator: str) -> bool:
    try:
        return any(field.strip() for field in _fields(text, separator, strict=False))
    except csv.Error:
        return True  # counted: reading the row fails again


def _is_row(text: str, dialect: Dialect) -> bool:
    try:
        fields = _fields(text, dialect.separator)
    except csv.Error:
        return False
    return not dialect.header or len(fields) == len(dialect.header)


def _breaks_off(text: str, separator: str) -> bool:
    """Whether a row ends inside a quoted field."""
    try:
        _fields(text, separator)
    except csv.Error as error:
        return "unexpected end" in str(error)
    return False


def _fields(text: str, separator: str, strict: bool = True) -> list[str]:
    """The fields of one row; where not strict, of one that is quoted wrongly what can be made of it.

    Raises:
      csv.Error: a field is too long, or the row is quoted wrongly.
    """
    csv.field_size_limit(_LONGEST_FIELD)
    text = text.rstrip("\r\n")
    try:
        return next(_reader(text, separator, strict=True), [])
    except csv.Error as error:
        if strict or "larger" in str(error):
            raise
        if separator != "\t" and "unexpected end" in str(error):
            raise csv.Error("a quoted field is not closed") from None
    # Quotes of a table of tabs are often no quotes; elsewhere something follows a closing one.
    quoting = csv.QUOTE_NONE if separator == "\t" else csv.QUOTE_MINIMAL
    return next(_reader(text, separator, quoting=quoting), [])


def _reader(
    text: str, separator: str, *, strict: bool = False, quoting: int = csv.QUOTE_MINIMAL
) -> Iterator[list[str]]:
    return csv.reader(
        io.StringIO(text, newline=""),
        delimiter=separator,
        strict=strict,
        quoting=quoting,  # type: ignore[arg-type]
        skipinitialspace=True,
    )


def _separator(header: str, usual: str) -> str:
    """What separates the names of a header."""
    if usual in header:
        return usual
    found = max(_SEPARATORS, key=header.count)
    return found if found in header else usual
