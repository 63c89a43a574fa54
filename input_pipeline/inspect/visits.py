"""What training will show of some records: taken from the training stream itself, visit by visit."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from input_pipeline.records import Reason, Record
from input_pipeline.sources import Source
from input_pipeline.sources.array_record import encode_record
from input_pipeline.stream import PAIRS, make_stream
from input_pipeline.tokenizers import Tokenizer
from input_pipeline.views.patches import joined


@dataclass(frozen=True)
class Visit:
    """One visit to a record: the pixels and the text as the model sees them. `cut`: the text was longer."""

    pixels: np.ndarray
    text: str
    cut: bool
    replaced: Reason


@dataclass(frozen=True)
class Row:
    """A record, where it is from, and some visits to it."""

    source: str
    number: int
    record: Record
    visits: tuple[Visit, ...]


# Of what a source says, how its records are shown; the rest chooses, finds and completes them, and is done.
SHOWN = ("templates", "labels", "prefix", "prefix_token")


def visits(
    name: str,
    source: Source,
    numbers: Sequence[int],
    count: int,
    *,
    data: Mapping[str, Any],
    preprocessing: Mapping[str, Any],
    tokenizer: Tokenizer,
    seed: int,
    captions: bool = True,
) -> list[Row]:
    """Returns some records of one source, each with `count` visits.

    The records are copied into a source of their own, which the stream of this config then reads: each of its
    epochs is one batch, and so shows each of them once.

    Args:
      name: of the source in `data["sources"]`.
      numbers: of the records.
      data, preprocessing, tokenizer, seed: as for `make_stream`.
      captions: whether the records have texts to show.
    """
    records = [replace(source[number], extras={}) for number in numbers]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "records.array_record"
        _write(path, records)
        said = data["sources"][name]
        entry = {"format": "array_record", "path": str(path), "columns": {}, "weight": 1.0}
        entry |= {key: said[key] for key in SHOWN if key in said}
        alone = {**data, "sources": {name: entry}}
        stream = make_stream(
            alone,
            preprocessing=preprocessing,
            tokenizer=tokenizer,
            batch_size=len(records),
            seed=seed,
            fields=(
                *(PAIRS if captions else ("image",)),
                *(("image_grid",) if "patches" in preprocessing else ()),
            ),
        )
        seen: list[list[Visit]] = [[] for _ in records]
        with closing(stream.batches(threads=1, prefetch=1)) as batches:
            for batch in islice(batches, count):
                for row, index in enumerate(batch["index"].tolist()):
                    seen[stream.address(index).record].append(_visit(batch, row, tokenizer))
    return [
        Row(name, number, record, tuple(some))
        for number, record, some in zip(numbers, records, seen, strict=True)
    ]


def _visit(batch: Mapping[str, np.ndarray], row: int, tokenizer: Tokenizer) -> Visit:
    text = tokenizer.decode(batch["text"][row][batch["text_mask"][row]]) if "text" in batch else ""
    image = batch["image"][row]
    if "image_grid" in batch:
        image = joined(image, batch["image_grid"][row])
    return Visit(image, text, bool(batch["truncated"][row]), Reason(batch["replaced"][row]))


def _write(path: Path, records: Sequence[Record]) -> None:
    from array_record.python.array_record_module import ArrayRecordWriter

    writer = ArrayRecordWriter(str(path), "group_size:1")
    for record in records:
        writer.write(encode_record(record))
    writer.close()
