"""Slices of records as the passes of a curation leave them on the disk: Arrow, a column for each fact and score."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from input_pipeline.curation.chain import Row, Slice, Tally
from input_pipeline.curation.step import Step

_FACTS = {"number": pa.int64(), "id": pa.string(), "step": pa.string(), "reason": pa.string()}
_JSON = {"notes": pa.string(), "written": pa.string()}  # '' where there is nothing
_encode = json.JSONEncoder(separators=(",", ":")).encode


class Stored(NamedTuple):
    """Holds a slice as columns.

    Attributes:
      table: rows in order, with `score_columns` between the facts and what later passes need.
    """

    table: pa.Table
    tallies: dict[str, Tally]

    @property
    def left(self) -> list[Row]:
        """The rows that are kept so far, for the next pass."""
        return _rows(self.table.filter(pc.equal(self.table["reason"], "")))


def score_columns(steps: Sequence[Step]) -> dict[str, pa.DataType]:
    """Returns the columns of all steps, called ENTRY_COLUMN, with their types."""
    return {
        f"{step.name}_{column}": pa.type_for_alias(kind)
        for step in steps
        for column, kind in step.COLUMNS.items()
    }


def stored(done: Slice, steps: Sequence[Step], *, last: bool = False) -> Stored:
    """Returns a slice as columns.

    Args:
      done: what a pass made of it.
      steps: of the whole chain.
      last: whether no pass comes after, which would need the notes.
    """
    numbers, ids, notes, scores, dropping, reasons, written = (
        zip(*done.rows, strict=True) if done.rows else [()] * 7
    )
    facts = (numbers, ids, dropping, reasons)
    columns = {
        name: pa.array(values, kind) for (name, kind), values in zip(_FACTS.items(), facts, strict=True)
    }
    for name, kind in score_columns(steps).items():
        columns[name] = pa.array([own.get(name) for own in scores], kind)
    for (name, kind), values in zip(
        _JSON.items(), ([{}] * len(ids) if last else notes, written), strict=True
    ):
        columns[name] = pa.array([_encode(one) if one else "" for one in values], kind)
    return Stored(pa.table(columns), done.tallies)


def to_bytes(slice_: Stored, survey: Any) -> pa.Buffer:
    """Returns the file of a slice, and of what its records add to a plan."""
    tallies = {name: dataclasses.asdict(tally) for name, tally in slice_.tallies.items()}
    table = slice_.table.replace_schema_metadata({"tallies": json.dumps(tallies), "survey": _encode(survey)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def read_slice(path: str) -> Stored:
    """Reads the rows and the counts of a slice."""
    with pa.memory_map(path) as file:
        table = pa.ipc.open_file(file).read_all()
    tallies = json.loads(table.schema.metadata[b"tallies"])
    return Stored(table.replace_schema_metadata(), {name: Tally(**tally) for name, tally in tallies.items()})


def read_survey(path: str) -> Any:
    """Reads what the records of a slice add to a plan, and nothing else of it."""
    with pa.memory_map(path) as file:
        return json.loads(pa.ipc.open_file(file).schema.metadata[b"survey"])


def joined(passes: Sequence[pa.Table]) -> pa.Table:
    """Returns the rows of a slice in order, each as the last pass that saw it has it."""
    dropped = [table.filter(pc.not_equal(table["reason"], "")) for table in passes[:-1]]
    return pa.concat_tables([*dropped, passes[-1]]).sort_by("number") if dropped else passes[0]


def written_of(row: str) -> list[list[Any]]:
    """Returns what steps wrote for a record: texts, kind, by and prompt of each."""
    return json.loads(row) if row else []


def _rows(table: pa.Table) -> list[Row]:
    scores = [name for name in table.column_names if name not in (*_FACTS, *_JSON)]
    columns = (table[name].to_pylist() for name in (*_FACTS, *_JSON))
    found = []
    for values, (number, name, step, reason, notes, written) in zip(
        zip(*(table[name].to_pylist() for name in scores), strict=True) if scores else [()] * len(table),
        zip(*columns, strict=True),
        strict=True,
    ):
        own = {column: value for column, value in zip(scores, values, strict=True) if value is not None}
        done = tuple(map(tuple, written_of(written)))
        found.append(Row(number, name, json.loads(notes) if notes else {}, own, step, reason, done))
    return found
