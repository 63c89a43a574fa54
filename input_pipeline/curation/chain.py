"""Several steps over a slice of the records, in as few readings of it as their surveys allow."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from input_pipeline.curation.step import Decision, Item, Step, Written
from input_pipeline.records import BadRecord, Record
from input_pipeline.sources import Source
from input_pipeline.texts_by_id import with_captions

READING = "reading"  # what unreadable records are counted under, before all steps
EXAMPLES = 5  # of each reason


class Row(NamedTuple):
    """Holds a record without its content, as slices keep it between passes.

    Attributes:
      number: its place among all records.
      notes, scores: of the steps so far; scores by the names of their columns.
      step, reason: who dropped it and why; '' while it is kept.
      written: what the steps so far wrote: texts, kind, by, prompt.
    """

    number: int
    id: str
    notes: dict[str, Any]
    scores: dict[str, Any]
    step: str = ""
    reason: str = ""
    written: tuple[Sequence[Any], ...] = ()


class Pass(NamedTuple):
    """Says what one reading of all records does: steps that decide, and one that surveys what they leave, or none."""

    deciding: tuple[int, ...]
    surveying: int | None


def passes(steps: Sequence[Step]) -> list[Pass]:
    """Cuts a chain before each step that surveys."""
    cuts = [place for place, step in enumerate(steps) if step.surveys]
    bounds = itertools.pairwise([0, *cuts, len(steps)])
    return [Pass(tuple(range(first, end)), end if end < len(steps) else None) for first, end in bounds]


@dataclasses.dataclass
class Tally:
    """Counts what one step saw, and what it dropped, by reason, with examples."""

    seen: int = 0
    dropped: dict[str, int] = dataclasses.field(default_factory=dict)
    examples: dict[str, list[str]] = dataclasses.field(default_factory=dict)

    def drop(self, reason: str, example: str) -> None:
        """Counts a record that is dropped."""
        self.add(Tally(0, {reason: 1}, {reason: [example]}))

    def add(self, other: Tally) -> None:
        """Adds what came later."""
        self.seen += other.seen
        for reason, count in other.dropped.items():
            self.dropped[reason] = self.dropped.get(reason, 0) + count
            kept = self.examples.setdefault(reason, [])
            kept += other.examples[reason][: EXAMPLES - len(kept)]


@dataclasses.dataclass
class Slice:
    """Holds what a pass made of a slice: rows in order, also of what it dropped, counts, and perhaps a survey."""

    rows: list[Row]
    tallies: dict[str, Tally]
    survey: Any = None


def fields_read(steps: Sequence[Step], this: Pass) -> frozenset[str]:
    """Returns which fields of the records the steps of a pass look at."""
    return frozenset(field for step in _at_work(steps, this) for field in step.reads)


def run_pass(
    steps: Sequence[Step], this: Pass, source: tuple[str, Source], rows: Sequence[tuple[int, Row]]
) -> Slice:
    """Runs one pass over a slice of one source.

    Args:
      steps: the whole chain; those that decide have their plans.
      this: what to do.
      source: its name, and where records come from.
      rows: the records to look at, each with its place in the source.
    """
    done, left = Slice([], {steps[place].name: Tally() for place in this.deciding}), []
    deciding = [
        (step, {column: f"{step.name}_{column}" for column in step.COLUMNS})
        for step in map(steps.__getitem__, this.deciding)
    ]
    for item, row in _items(source, rows, done, read=bool(fields_read(steps, this))):
        for step, columns in deciding:
            row, item = _decide(step, columns, item, row, done)
            if row.reason:
                break
        done.rows.append(row)
        if not row.reason:
            left.append(item)
    if this.surveying is not None:
        done.survey = steps[this.surveying].survey(left)
    return done


def _at_work(steps: Sequence[Step], this: Pass) -> list[Step]:
    return [steps[place] for place in (*this.deciding, this.surveying) if place is not None]


def _items(
    source: tuple[str, Source], rows: Sequence[tuple[int, Row]], done: Slice, *, read: bool
) -> Iterator[tuple[Item, Row]]:
    """Reads the records, unless an earlier pass knows all that is needed; what cannot be read is dropped."""
    name, records = source
    tally = done.tallies.setdefault(READING, Tally())
    for place, row in rows:
        if not read and row.id:
            yield Item(row.number, name, Record(row.id, None), row.notes), row
            continue
        try:
            record = records[place]
        except BadRecord as bad:
            reason = bad.reason.name.lower()
            tally.drop(reason, f"record {place} of source '{name}': {bad.detail}")
            done.rows.append(row._replace(step=READING, reason=reason))
            continue
        for texts, *rest in row.written:
            record = with_captions(record, Written(tuple(texts), *rest).captions)
        yield Item(row.number, name, record, row.notes), row if row.id else row._replace(id=record.id)


def _decide(step: Step, columns: Mapping[str, str], item: Item, row: Row, done: Slice) -> tuple[Row, Item]:
    try:
        decision: Decision = step(item)
    except BadRecord as bad:  # in a file that the step reads beside it
        decision = Decision(bad.reason.name.lower(), bad.detail)
    tally = done.tallies[step.name]
    tally.seen += 1
    scores = row.scores
    if decision.scores:
        scores = {**scores, **{name: decision.scores.get(column) for column, name in columns.items()}}
    if decision.reason:
        detail = f": {decision.detail}" if decision.detail else ""
        tally.drop(decision.reason, f"{item.record.id}{detail}")
        return Row(row.number, row.id, {}, scores, step.name, decision.reason), item
    notes = {**row.notes, **decision.notes} if decision.notes else row.notes
    written, record = row.written, item.record
    if decision.written:
        written = (*written, dataclasses.astuple(decision.written))
        record = with_captions(record, decision.written.captions)
    if record is not item.record or notes is not row.notes:
        item = Item(item.number, item.source, record, notes)
    return Row(row.number, row.id, notes, scores, written=written), item
