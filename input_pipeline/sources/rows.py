"""Where the rows of csv, tsv, JSON-lines and JSON files begin and end: (first byte, end, line number) of each."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from input_pipeline.records import decode_text
from input_pipeline.sources.cache import Index
from input_pipeline.sources.shards import FileVersion

_BOM = b"\xef\xbb\xbf"
_LONGEST_FIELD = 1 << 22  # of csv: a forgotten quote would swallow the rest of the file


def lines(file: FileVersion) -> Index:
    """The lines of a file that are not blank."""
    places: list[tuple[int, int, int]] = []
    with open(file.path, "rb") as stream:
        position = _skip_mark(stream)
        for number, line in enumerate(stream, 1):
            if line.strip():
                places.append((position, position + len(line), number))
            position += len(line)
    return _array(places)


def json_elements(file: FileVersion) -> Index:
    """The elements of the one array in a file, or the one object.

    Raises:
      ValueError: the file holds neither.
    """
    with open(file.path, "rb") as stream:
        mark = _skip_mark(stream)
        text = stream.read().decode("latin-1")  # one letter a byte: JSON's own signs are ASCII
    try:
        json_places = list(_elements(text))
    except RecursionError:
        raise ValueError(f"{file.path}: the JSON is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"{file.path} is no JSON array of objects: {error}") from None
    return _array([(mark + first, mark + end, line) for first, end, line in json_places])


def csv_rows(file: FileVersion) -> Index:
    """The rows of a csv or tsv file that are not blank, its header first; a quoted field may have line breaks."""
    places: list[tuple[int, int, int]] = []
    with open(file.path, "rb") as stream:
        first, line = _skip_mark(stream), 1
        source = (raw.decode("latin-1") for raw in iter(stream.readline, b""))
        while True:
            reader = _csv_reader(source, file)
            try:
                filled = any(next(reader))
            except StopIteration:
                return _array(places)
            except csv.Error:
                filled = True  # counted: reading the row fails again
            end = stream.tell()
            if filled:
                places.append((first, end, line))
            first, line = end, line + reader.line_num


def csv_fields(file: FileVersion, row: bytes) -> list[str]:
    """The fields of one row.

    Raises:
      csv.Error: a field is too long.
    """
    return next(_csv_reader(io.StringIO(decode_text(row), newline=""), file), [])


def _csv_reader(source: Iterator[str], file: FileVersion) -> Any:
    csv.field_size_limit(_LONGEST_FIELD)
    return csv.reader(source, delimiter="\t" if file.path.endswith(".tsv") else ",")


def _elements(text: str) -> Iterator[tuple[int, int, int]]:
    decoder = json.JSONDecoder()
    start = _content(text, 0)
    if text[start : start + 1] == "{":
        _, end = decoder.raw_decode(text, start)
        yield start, end, 1
    elif text[start : start + 1] == "[":
        position, line = _content(text, start + 1), 1
        previous = 0
        while text[position : position + 1] != "]":
            _, end = decoder.raw_decode(text, position)
            line, previous = line + text.count("\n", previous, position), position
            yield position, end, line
            position = _content(text, end)
            if text[position : position + 1] == ",":
                position = _content(text, position + 1)
            elif text[position : position + 1] != "]":
                raise ValueError(f"it breaks off or goes wrong at byte {position}")
        end = position + 1
    else:
        raise ValueError(f"it starts with {text[start : start + 20]!r}")
    if _content(text, end) != len(text):
        raise ValueError(f"something follows its end at byte {end}")


def _content(text: str, position: int) -> int:
    """The next place that is not white space."""
    while text[position : position + 1] in (" ", "\t", "\r", "\n"):
        position += 1
    return position


def _skip_mark(stream: BinaryIO) -> int:
    """Pass over a byte-order mark; where the content begins."""
    marked = stream.read(len(_BOM)) == _BOM
    return stream.seek(len(_BOM) if marked else 0)


def _array(places: list[tuple[int, int, int]]) -> Index:
    return np.array(places, np.int64).reshape(-1, 3)
