"""Where the rows of csv, tsv, JSON-lines and JSON files begin and end: (first byte, end, line number) of each.

Text is UTF-8 or, where the file begins with its mark, UTF-16. Lines end with a line feed, or in a file without any
with a carriage return alone.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import numpy as np

from input_pipeline.errors import UserError
from input_pipeline.records import decode_text
from input_pipeline.sources.cache import Index
from input_pipeline.sources.shards import FileVersion

_MARKS = ((codecs.BOM_UTF8, ""), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_CHUNK = 1 << 20


class Encoding(NamedTuple):
    """Says how a file's text is stored.

    Attributes:
      mark: bytes of the mark that the file begins with.
      name: 'utf-16-le', 'utf-16-be', or '' for UTF-8 and what is none.
    """

    mark: int
    name: str

    @property
    def width(self) -> int:
        """Bytes of a line feed."""
        return 2 if self.name else 1

    def text(self, data: bytes) -> str:
        """Decodes a part of the file; nothing is an error."""
        return data.decode(self.name, "replace") if self.name else decode_text(data)


def encoding_of(file: FileVersion) -> Encoding:
    """Reads a file's first bytes."""
    with open(file.path, "rb") as stream:
        start = stream.read(len(codecs.BOM_UTF8))
    return next(
        (Encoding(len(mark), name) for mark, name in _MARKS if start.startswith(mark)), Encoding(0, "")
    )


def raw_lines(file: FileVersion, encoding: Encoding) -> Iterator[tuple[int, bytes]]:
    """Yields (first byte, bytes with the line's end) of every line behind the mark."""
    with open(file.path, "rb") as stream:
        stream.seek(encoding.mark)
        feed = _line_end(stream, encoding)
        stream.seek(encoding.mark)
        position, rest = encoding.mark, b""
        if feed == b"\n":
            for line in stream:
                yield position, line
                position += len(line)
            return
        while chunk := stream.read(_CHUNK):
            rest += chunk
            *whole, rest = _split(rest, feed)
            for line in whole:
                yield position, line
                position += len(line)
        if rest:
            yield position, rest


def lines(file: FileVersion) -> Index:
    """Returns the lines of a file that are not blank."""
    encoding = encoding_of(file)
    numbered = enumerate(raw_lines(file, encoding), 1)
    return array(
        [
            (first, first + len(line), number)
            for number, (first, line) in numbered
            if line.replace(b"\0", b"").strip()
        ]
    )


def json_elements(file: FileVersion) -> Index:
    """Returns the elements of the one array in a file, or the one object.

    Raises:
      ValueError: the file holds neither.
    """
    encoding = encoding_of(file)
    with open(file.path, "rb") as stream:
        stream.seek(encoding.mark)
        # One letter a byte, or of UTF-16 a letter for two: JSON's own signs are ASCII.
        data = stream.read()
    text = data.decode("latin-1") if not encoding.name else _units(data, encoding.name)
    try:
        places = list(_elements(text))
    except RecursionError:
        raise UserError(f"{file.path}: the JSON is nested too deeply") from None
    except ValueError as error:
        raise UserError(f"{file.path} is no JSON array of objects: {error}") from None
    mark, width = encoding.mark, encoding.width
    return array([(mark + width * first, mark + width * end, line) for first, end, line in places])


def array(places: list[tuple[int, int, int]]) -> Index:
    """Makes an index of places."""
    return np.array(places, np.int64).reshape(-1, 3)


def _units(data: bytes, name: str) -> str:
    """UTF-16 as one letter for each two bytes, surrogates apart."""
    order = "<u2" if name.endswith("le") else ">u2"
    units = np.frombuffer(data[: len(data) // 2 * 2], order).astype("<u4")
    return units.tobytes().decode("utf-32-le", "surrogatepass")


def _line_end(stream: BinaryIO, encoding: Encoding) -> bytes:
    """What lines end with: a carriage return only where the first part of the file has no line feed."""
    start = stream.read(_CHUNK)
    feed, back = (sign.encode(encoding.name or "ascii") for sign in "\n\r")
    return back if _find(start, feed) < 0 <= _find(start, back) else feed


def _find(data: bytes, sign: bytes, start: int = 0) -> int:
    """Where a sign first stands from `start` on, at a multiple of its width; -1 where it does not."""
    at = data.find(sign, start)
    while at >= 0 and at % len(sign):
        at = data.find(sign, at + 1)
    return at


def _split(data: bytes, sign: bytes) -> list[bytes]:
    """Lines with their ends, and what is left behind the last."""
    parts, start = [], 0
    while (at := _find(data, sign, start)) >= 0:
        parts.append(data[start : at + len(sign)])
        start = at + len(sign)
    return [*parts, data[start:]]


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
                raise UserError(f"it breaks off or goes wrong at byte {position}")
        end = position + 1
    else:
        raise UserError(f"it starts with {text[start : start + 20]!r}")
    if _content(text, end) != len(text):
        raise UserError(f"something follows its end at byte {end}")


def _content(text: str, position: int) -> int:
    """The next place that is not white space."""
    while text[position : position + 1] in (" ", "\t", "\r", "\n"):
        position += 1
    return position
