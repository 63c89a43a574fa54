"""Captions without images: a parquet, jsonl or txt file, in which those nearest to an image are looked up."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float64, Int, Int32

from input_pipeline.errors import UserError
from vlp.configuration.paths import find, looked_in
from vlp.evaluation.texts.class_texts import unit

EncodeTexts = Callable[[Sequence[str]], np.ndarray]


def nearest_captions(
    images: Float[np.ndarray, "images dim"], captions: Sequence[str], encode: EncodeTexts, count: int
) -> Int32[np.ndarray, "images count"]:
    """Searches the captions with the highest cosines, exactly, best first; of equal ones the earlier comes first.

    Captions are encoded when the search comes to them. A row that is not a number is near to nothing.

    Args:
        images: unit rows.
        captions: to search in.
        encode: texts to unit rows.
        count: how many to find; all where there are fewer.
    """
    from vlp.neighbours.search import search  # loads jax

    rows = np.nan_to_num(images.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    encoded = _Encoded(captions, encode, images.shape[1])
    return search(rows, encoded, min(count, len(captions))).places


def caption_centroids(
    captions: Sequence[str], nearest: Int[np.ndarray, "images count"], encode: EncodeTexts
) -> Float64[np.ndarray, "images dim"]:
    """Returns the unit mean of the captions that `nearest_captions` found for each image."""
    used, place = np.unique(nearest, return_inverse=True)
    rows = encode([captions[index] for index in used]).astype(np.float64)[place.reshape(nearest.shape)]
    return unit(rows.mean(axis=1))


class _Encoded:
    """Rows of texts that are encoded when they are asked for."""

    def __init__(self, texts: Sequence[str], encode: EncodeTexts, dim: int) -> None:
        self._texts, self._encode = texts, encode
        self.shape = (len(texts), dim)

    def __getitem__(self, rows: slice, /) -> Float[np.ndarray, "n dim"]:
        return np.nan_to_num(self._encode(self._texts[rows]), nan=0.0, posinf=0.0, neginf=0.0)


def read_captions(path: str, column: str = "captions") -> list[str]:
    """Reads the distinct captions of files, in their order.

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
        raise UserError(f"'{path}' holds no caption under '{column}'")
    return list(captions)


def caption_files(path: str) -> list[Path]:
    """Returns the files of the path.

    Raises:
        ValueError: there is none.
    """
    files = find(path) if path else []
    if not files:
        raise UserError(
            f"there are no captions at '{path}'{looked_in(path)}: name a parquet, jsonl or txt file"
        )
    return files


def _values(file: Path, column: str) -> Iterable[Any]:
    readers = {".parquet": _parquet, ".jsonl": _json_lines, ".txt": _lines}
    if file.suffix not in readers:
        raise UserError(f"{file} is none of {', '.join(readers)}")
    return readers[file.suffix](file, column)


def _texts(value: Any, file: Path, column: str) -> Iterator[str]:
    for text in value if isinstance(value, list) else [value]:
        if text is not None and not isinstance(text, str):
            raise UserError(f"{file}: '{column}' holds {text!r}, which is no text")
        yield " ".join((text or "").split())


def _parquet(file: Path, column: str) -> Iterable[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        names = pq.read_schema(file).names
        if column not in names:
            raise UserError(f"{file} has no column '{column}'; it has {', '.join(names)}")
        return pq.read_table(file, columns=[column]).column(0).to_pylist()
    except pa.ArrowException as error:
        raise UserError(f"{file} is not a readable parquet file: {error}") from None


def _json_lines(file: Path, column: str) -> Iterator[Any]:
    with file.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise UserError(f"{file}, line {number} is no JSON: {error}") from None
            if not isinstance(row, dict) or column not in row:
                raise UserError(f"{file}, line {number} has no key '{column}'")
            yield row[column]


def _lines(file: Path, _: str) -> Iterator[str]:
    with file.open(encoding="utf-8-sig") as lines:
        yield from lines
