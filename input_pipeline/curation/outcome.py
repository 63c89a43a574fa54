"""Slices joined: the ids to keep, a side table of scores, captions that steps wrote, and a report."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from input_pipeline.curation.chain import READING, Tally
from input_pipeline.curation.slices import Stored, joined, score_columns, written_of
from input_pipeline.curation.step import Step
from input_pipeline.errors import UserError
from input_pipeline.tables import hash64
from input_pipeline.texts_by_id import line_of
from input_pipeline.whole_files import writing_whole

KEPT, TEXTS = "kept.txt", "texts.jsonl"
_ROWS = 1 << 16  # of a row group


class Outcome:
    """Joins the slices of all passes, a slice at a time."""

    def __init__(self, steps: Sequence[Step], counts: Mapping[str, int], output: Path) -> None:
        """Remembers the chain, the records of each source, and where to write."""
        self.steps, self.counts, self.output = steps, counts, output
        self.tallies = {name: Tally() for name in (READING, *(step.name for step in steps))}
        self.kept = dict.fromkeys(counts, 0)
        self.hashes: dict[str, list[np.ndarray]] = {name: [] for name in counts}

    def write(self, slices: Iterable[tuple[str, list[Stored]]]) -> dict[str, Any]:
        """Writes all files but the report, and returns that.

        Args:
          slices: the source's name, and what each pass made of the slice.

        Raises:
          ValueError: nothing is kept.
        """
        with contextlib.ExitStack() as stack:
            scores = stack.enter_context(_Table(self.output / "scores.parquet", self.steps))
            kept = {
                name: stack.enter_context(writing_whole(self.file_of(name, KEPT))) for name in self.counts
            }
            texts_of = {
                name: stack.enter_context(writing_whole(self.file_of(name, TEXTS)))
                for name in (self.counts if self.writes else ())
            }
            lists = {
                step: stack.enter_context(writing_whole(self.output / step.FILE))
                for step in self.steps
                if step.FILE
            }
            for name, made in slices:
                table = self._joined(name, made)
                scores.add(name, table)
                table = table.filter(pc.equal(table["reason"], ""))
                self.kept[name] += len(table)
                ids = list(map(_in_a_line, table["id"].to_pylist()))
                kept[name].write("".join(f"{one}\n" for one in ids).encode())
                for step, file in lists.items():
                    own = table.select([f"{step.name}_{column}" for column in step.COLUMNS])
                    rows = own.rename_columns([*step.COLUMNS]).to_pylist()
                    file.writelines(f"{step.line(*row)}\n".encode() for row in zip(ids, rows, strict=True))
                for one, written in zip(ids, table["written"].to_pylist(), strict=True):
                    for texts, *rest in written_of(written):
                        texts_of[name].write(line_of(one, texts, *rest))
            if not sum(self.kept.values()):
                raise UserError(f"none of {sum(self.counts.values())} records is kept: {self._losses()}")
        self._write_texts()
        return self._report()

    @property
    def writes(self) -> bool:
        """Tells whether there is a step that writes captions."""
        return any(step.writes for step in self.steps)

    def file_of(self, name: str, file: str) -> Path:
        """Returns where what is about one source goes: beside the report, of several sources in a folder each."""
        return self.output / (name if len(self.counts) > 1 else "") / file

    def _joined(self, name: str, made: Sequence[Stored]) -> pa.Table:
        """The rows of a slice in order, each as the last pass that saw it has it; counts and ids are noted."""
        for one in made:
            for step, tally in one.tallies.items():
                self.tallies[step].add(tally)
        table = joined([one.table for one in made])
        read = table.filter(pc.not_equal(table["step"], READING))["id"].to_pylist()
        self.hashes[name].append(np.fromiter(map(hash64, read), np.uint64, len(read)))
        return table

    def _shown(self, name: str, file: str) -> str:
        return self.file_of(name, file).relative_to(self.output).as_posix()

    def _losses(self) -> str:
        return ", ".join(
            f"{step} dropped {count} ({reason})"
            for step, tally in self.tallies.items()
            for reason, count in tally.dropped.items()
        )

    def _write_texts(self) -> None:
        for step in self.steps:
            for file, text in step.files().items():
                with writing_whole(self.output / file) as sink:
                    sink.write(text.encode())

    def _report(self) -> dict[str, Any]:
        self.tallies[READING].seen = sum(self.counts.values())
        facts = {step.name: dict(step.facts()) for step in self.steps}
        return {
            "records": sum(self.counts.values()),
            "kept": sum(self.kept.values()),
            "repeated_ids": sum(map(_repeated, self.hashes.values())),
            "sources": {
                name: {
                    "records": count,
                    "kept": self.kept[name],
                    "keep_ids": self._shown(name, KEPT),
                    **({"captions_by_id": self._shown(name, TEXTS)} if self.writes else {}),
                }
                for name, count in self.counts.items()
            },
            "steps": [
                {"name": name, **_figures(tally), "facts": facts.get(name, {})}
                for name, tally in self.tallies.items()
            ],
        }


def _figures(tally: Tally) -> dict[str, Any]:
    dropped = sum(tally.dropped.values())
    return {
        "seen": tally.seen,
        "kept": tally.seen - dropped,
        "removed": round(dropped / tally.seen, 6) if tally.seen else 0.0,  # share of what it saw
        "dropped": tally.dropped,
        "examples": tally.examples,
    }


def _repeated(hashes: Sequence[np.ndarray]) -> int:
    """How many records have an id that another one of the source has."""
    if not hashes:
        return 0
    counts = np.unique(np.concatenate(hashes), return_counts=True)[1]
    return int(counts[counts > 1].sum())


def _in_a_line(identifier: str) -> str:
    if identifier != identifier.strip() or len(identifier.splitlines()) != 1:
        raise UserError(
            f"the id {identifier!r} cannot stand in a line of its own: name another column of ids in `columns`"
        )
    return identifier


class _Table:
    """scores.parquet: source, id, who dropped the record and why, and the columns of all steps."""

    def __init__(self, path: Path, steps: Sequence[Step]) -> None:
        own = score_columns(steps)
        text = pa.string()
        common = {"source": text, "id": text, "kept": pa.bool_(), "step": text, "reason": text}
        self.schema = pa.schema([*common.items(), *own.items()])
        self.path, self.waiting = path, self.schema.empty_table()
        self.stack = contextlib.ExitStack()

    def __enter__(self) -> _Table:
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(writing_whole(self.path))
            self.writer = stack.enter_context(pq.ParquetWriter(file, self.schema))
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        if error[0] is None and len(self.waiting):
            self._write(self.waiting)
        self.stack.__exit__(*error)

    def add(self, source: str, table: pa.Table) -> None:
        """Adds the rows of a slice; what is written at once, and so the file, does not depend on the slices."""
        said = {"source": pa.array([source] * len(table)), "kept": pc.equal(table["reason"], "")}
        columns = {name: said[name] if name in said else table[name] for name in self.schema.names}
        self.waiting = pa.concat_tables([self.waiting, pa.table(columns, self.schema)])
        while len(self.waiting) >= _ROWS:
            self._write(self.waiting.slice(0, _ROWS))
            self.waiting = self.waiting.slice(_ROWS)

    def _write(self, table: pa.Table) -> None:
        self.writer.write_table(table.combine_chunks())
