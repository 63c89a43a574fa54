"""What is worth seeing of a curation: some of its records before and after, and all scores of its steps."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from jaxtyping import Bool, Int, UInt8

from input_pipeline.decode import decode_image
from input_pipeline.prepare.header import read_header
from input_pipeline.records import BadRecord, Record
from input_pipeline.sources import Source, open_named
from input_pipeline.sources.reading import in_order
from input_pipeline.subsets import entry_records, sorted_numbers, spread
from vlp.evaluation.page.curation import Histogram, Sheet, Tally, Tile, curation_page
from vlp.evaluation.page.pictures import SIDE

_RUNS, _RUN = 32, 64  # stretches of the data that histograms look at, and records in each
_BINS, _TAGS, _TILES = 24, 20, 12
_BEYOND = 0.5  # per cent of the values at either end that share the outer bins
_FIELDS = ("image", "captions", "tags")


class _Row(NamedTuple):
    """Holds a record, None where it cannot be read, and whether it is kept."""

    record: Record | None
    name: str
    kept: bool


def page_of(output: Path, sources: Mapping[str, Mapping[str, Any]]) -> str:
    """Returns the page of a curation that is done: of its report, its scores, and its sources.

    Reads the records of up to 32 stretches, and a few for each reason; of the scores a column at a time.

    Args:
      output: its folder.
      sources: as it was asked for.
    """
    report = json.loads((output / "report.json").read_text(encoding="utf-8"))
    data, file = _Data(sources), output / "scores.parquet"
    table = pq.read_table(file, columns=["id", "kept"])
    names, kept = table["id"], table["kept"].to_numpy()
    some = [_Row(data[row], names[row].as_py(), bool(kept[row])) for row in looked_at(len(kept))]
    histograms = [*_of_records(some), *_of_scores(file, kept)]
    tags = [tally] if (tally := _tags(some)).rows else []
    sheets = list(_sheets(file, data, names))
    return curation_page(report, histograms, tags, sheets, len(some))


def looked_at(count: int) -> list[int]:
    """Returns which rows of `count` the histograms of records are of: stretches, evenly spread; or all."""
    if count <= _RUNS * _RUN:
        return list(range(count))
    return [row for first in spread(count - _RUN, _RUNS) for row in range(first, first + _RUN)]


class _Data:
    """The records of all sources by their rows in scores.parquet."""

    def __init__(self, sources: Mapping[str, Mapping[str, Any]]) -> None:
        self._parts: list[tuple[Source, Sequence[int]]] = []
        for name, entry in sources.items():
            source = open_named(name, entry)
            numbers = sorted_numbers(entry_records(source, name, entry))
            self._parts.append((in_order(source, _FIELDS), numbers))

    def __getitem__(self, row: int) -> Record | None:
        for source, numbers in self._parts:
            if row < len(numbers):
                try:
                    return source[numbers[row]]
                except BadRecord:
                    return None
            row -= len(numbers)
        raise IndexError(row)


def _of_records(rows: Sequence[_Row]) -> Iterator[Histogram]:
    """Lengths of captions and sizes of images, where there are some."""
    found: Mapping[str, Callable[[Record], Sequence[float]]] = {
        "words of a caption": lambda record: [len(one.text.split()) for one in record.captions],
        "shorter side of an image, pixels": _sides,
    }
    for title, values_of in found.items():
        values, kept = list[float](), list[bool]()
        for row in rows:
            own = values_of(row.record) if row.record else []
            values += own
            kept += [row.kept] * len(own)
        if values:
            yield histogram(title, np.array(values, float), np.array(kept, bool))


def _sides(record: Record) -> list[float]:
    header = read_header(record.image) if record.image else None
    return [min(header.width, header.height)] if header else []


def _of_scores(file: Path, kept: Bool[np.ndarray, " rows"]) -> Iterator[Histogram]:
    """Every score that is a number, of all records that have it."""
    schema = pq.read_schema(file)
    for name in schema.names[5:]:
        kind = schema.field(name).type
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)) or name.endswith("_nearest"):
            continue
        column = pq.read_table(file, columns=[name])[name].cast(pa.float64())
        values = column.to_numpy()
        known = np.isfinite(values)
        if known.any():
            yield histogram(name, values[known], kept[known])


def histogram(title: str, values: np.ndarray, kept: Bool[np.ndarray, " n"]) -> Histogram:
    """Returns how values are spread before and after, in bins of one width; of few whole numbers, one a bin."""
    low, high = np.percentile(values, (_BEYOND, 100 - _BEYOND))
    whole = bool((values == np.round(values)).all())
    if whole and high - low < _BINS:
        edges = np.arange(np.floor(low) - 0.5, np.ceil(high) + 1)
    else:
        edges = np.linspace(low, high if high > low else low + 1, _BINS + 1)
    inside = np.clip(values, edges[0], edges[-1])
    before, after = (np.histogram(some, edges)[0] for some in (inside, inside[kept]))
    return Histogram(title, edges, before, after)


def _tags(rows: Sequence[_Row]) -> Tally:
    before, after = Counter[str](), Counter[str]()
    for row in rows:
        own = {*row.record.tags} if row.record else set[str]()
        before.update(own)
        after.update(own if row.kept else ())
    return Tally("tag", [(tag, count, after[tag]) for tag, count in _most(before)])


def _most(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:_TAGS]


def _sheets(file: Path, data: _Data, names: pa.ChunkedArray) -> Iterator[Sheet]:
    """Some of what is kept, and of what was dropped by each step for each reason."""
    table = pq.read_table(file, columns=["step", "reason"])
    why = (
        pc.binary_join_element_wise(table["step"], table["reason"], ": ").combine_chunks().dictionary_encode()
    )
    codes = why.indices.to_numpy()
    found: dict[str, Int[np.ndarray, " n"]] = {
        name: np.flatnonzero(codes == number) for number, name in enumerate(why.dictionary.to_pylist())
    }
    kept = found.pop(": ", np.zeros(0, np.int64))
    for title, rows in {"kept": kept, **dict(sorted(found.items()))}.items():
        chosen = rows[spread(len(rows), _TILES)].tolist()
        yield Sheet(title, len(rows), [_tile(data[row], names[row].as_py()) for row in chosen])


def _tile(record: Record | None, name: str) -> Tile:
    if record is None:
        return Tile(name, "(cannot be read)")
    text = record.captions[0].text if record.captions else ""
    return Tile(name, text, _small(record.image) if record.image else None)


def _small(image: bytes) -> UInt8[np.ndarray, "height width 3"] | None:
    """An image of at most as many pixels as the page shows; None where it cannot be decoded."""
    from PIL import Image

    try:
        picture = Image.fromarray(decode_image(image))
    except BadRecord:
        return None
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return np.asarray(picture)
