"""Slices joined: the ids to keep, a side table of scores, captions that steps wrote, and a report."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from input_pipeline.curation.chain import READING, Row, Slice, Tally
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

    def write(self, slices: Iterable[tuple[str, list[Slice]]]) -> dict[str, Any]:
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
                for row in self._joined(name, made):
                    scores.add(name, row)
                    if row.reason:
                        continue
                    kept[name].write(f"{_in_a_line(row.id)}\n".encode())
                    self.kept[name] += 1
                    for step, file in lists.items():
                        own = {column: row.scores[f"{step.name}_{column}"] for column in step.COLUMNS}
                        file.write(f"{step.line(row.id, own)}\n".encode())
                    for texts, *rest in row.written:
                        texts_of[name].write(line_of(row.id, texts, *rest))
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

    def _joined(self, name: str, made: Sequence[Slice]) -> list[Row]:
        """The rows of a slice in order, each as the last pass that saw it has it."""
        rows: dict[int, Row] = {}
        for one in made:
            rows |= {row.number: row for row in one.rows}
            for step, tally in one.tallies.items():
                self.tallies[step].add(tally)
        ids = [hash64(row.id) for row in rows.values() if row.step != READING]
        self.hashes[name].append(np.array(ids, np.uint64))
        return [rows[number] for number in sorted(rows)]

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
        import pyarrow as pa

        own = {f"{step.name}_{name}": kind for step in steps for name, kind in step.COLUMNS.items()}
        common = {"source": "string", "id": "string", "kept": "bool", "step": "string", "reason": "string"}
        self.columns = list(own)
        self.schema = pa.schema([(name, pa.type_for_alias(kind)) for name, kind in {**common, **own}.items()])
        self.path, self.rows = path, list[dict[str, Any]]()
        self.stack = contextlib.ExitStack()

    def __enter__(self) -> _Table:
        import pyarrow.parquet as pq

        with contextlib.ExitStack() as stack:
            file = stack.enter_context(writing_whole(self.path))
            self.writer = stack.enter_context(pq.ParquetWriter(file, self.schema))
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        if error[0] is None:
            self._flush()
        self.stack.__exit__(*error)

    def add(self, source: str, row: Row) -> None:
        scores = {name: row.scores.get(name) for name in self.columns}
        kept = not row.reason
        self.rows.append(
            {"source": source, "id": row.id, "kept": kept, "step": row.step, "reason": row.reason, **scores}
        )
        if len(self.rows) == _ROWS:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        self.writer.write_table(pa.Table.from_pylist(self.rows, self.schema))
        self.rows.clear()
