"""Captions without images: a parquet, jsonl or txt file, as what an image may be called is looked up in."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from vlp.configuration.paths import find, looked_in


def read_captions(path: str, column: str = "captions") -> list[str]:
    """Distinct captions in the order of the files.

    Args:
        path: a file or a pattern; relative to the working directory or the project.
        column: of parquet files, or key of JSON lines; its values are texts or lists of texts. In .txt files every
            line is a caption.

    Raises:
        ValueError: there is no such file, it is none of the three kinds, or it holds no caption.
    """
    captions = dict.fromkeys(
        text
        for file in caption_files(path)
        for value in _values(file, column)
        for text in _texts(value, file, column)
    )
    captions.pop("", None)
    if not captions:
        raise ValueError(f"'{path}' holds no caption under '{column}'")
    return list(captions)


def caption_files(path: str) -> list[Path]:
    """The files of the path.

    Raises:
        ValueError: there is none.
    """
    files = find(path) if path else []
    if not files:
        raise ValueError(
            f"there are no captions at '{path}'{looked_in(path)}: name a parquet, jsonl or txt file"
        )
    return files


def _values(file: Path, column: str) -> Iterable[Any]:
    readers = {".parquet": _parquet, ".jsonl": _json_lines, ".txt": _lines}
    if file.suffix not in readers:
        raise ValueError(f"{file} is none of {', '.join(readers)}")
    return readers[file.suffix](file, column)


def _texts(value: Any, file: Path, column: str) -> Iterator[str]:
    for text in value if isinstance(value, list) else [value]:
        if text is not None and not isinstance(text, str):
            raise ValueError(f"{file}: '{column}' holds {text!r}, which is no text")
        yield " ".join((text or "").split())


def _parquet(file: Path, column: str) -> Iterable[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        names = pq.read_schema(file).names
        if column not in names:
            raise ValueError(f"{file} has no column '{column}'; it has {', '.join(names)}")
        return pq.read_table(file, columns=[column]).column(0).to_pylist()
    except pa.ArrowException as error:
        raise ValueError(f"{file} is not a readable parquet file: {error}") from None


def _json_lines(file: Path, column: str) -> Iterator[Any]:
    with file.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise ValueError(f"{file}, line {number} is no JSON: {error}") from None
            if not isinstance(row, dict) or column not in row:
                raise ValueError(f"{file}, line {number} has no key '{column}'")
            yield row[column]


def _lines(file: Path, _: str) -> Iterator[str]:
    with file.open(encoding="utf-8-sig") as lines:
        yield from lines
