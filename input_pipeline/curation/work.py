"""A chain over all slices of all sources, in several processes, resumed after any interruption."""

from __future__ import annotations

import dataclasses
import json
import shutil
import signal
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from tqdm import tqdm

from input_pipeline.curation.chain import Row, fields_read, passes, run_pass
from input_pipeline.curation.outcome import Outcome
from input_pipeline.curation.slices import Stored, read_slice, read_survey, stored, to_bytes
from input_pipeline.curation.step import Step
from input_pipeline.errors import UserError
from input_pipeline.sources import Source, open_named
from input_pipeline.sources.reading import in_order
from input_pipeline.subsets import PARTS, entry_records, some_ids, sorted_numbers
from input_pipeline.whole_files import write_whole

_REQUEST, _REPORT = "request.json", "report.json"
_ORIGIN = ("format", "path", "columns", "image_folder", "captions_by_id", "regions_by_id", *PARTS)


class WorkerFailed(RuntimeError):
    """Says that a worker process ended before its slice was done, as with too little memory."""


@dataclasses.dataclass(frozen=True)
class StepEntry:
    """Names a step as a config does: the entry, its class as package.module:Class, and its settings."""

    name: str
    target: str
    settings: Mapping[str, Any]

    def build(self, seed: int) -> Step:
        """Makes the step."""
        step: Step = resolve_name(self.target)(self.settings, name=self.name, seed=seed)
        return step


@dataclasses.dataclass(frozen=True)
class Request:
    """Says what is asked for.

    Attributes:
      sources: entries as in `data.sources`, by name.
      steps: in order.
      seed: of everything that is drawn.
      slice: records that are worked on, and kept in a file, at once.
    """

    sources: Mapping[str, Mapping[str, Any]]
    steps: Sequence[StepEntry]
    seed: int
    slice: int


def curate(request: Request, output: Path, processes: int) -> dict[str, Any]:
    """Runs the steps over all records in use, or goes on where an interrupted call was, and returns the report.

    What is written does not depend on the number of processes, on the slices, or on interruptions. Memory holds a
    slice a process, and the plans of the steps.

    Args:
      request: what is asked for.
      output: a folder, which may hold what an interrupted call of the same request left.
      processes: to work in; with 1, this one.

    Raises:
      ValueError: a source or a file of a step cannot be read, the folder holds something else, or nothing is kept.
      WorkerFailed: see there.
    """
    work = _Work(request, output / "work")
    asked = json.loads(json.dumps({**work.described(), "slice": request.slice}, default=str))
    _claim(output, asked)
    if not (output / _REPORT).is_file():
        work.check_fits()
        with closing(_Workers(request, work, processes)) as workers:
            for number, this in enumerate(work.passes):
                workers.run(number)
                if this.surveying is not None:
                    work.settle(number, this.surveying)
        for place in range(len(work.steps)):
            work.begin(place)
        report = {"asked": work.described(), **work.join(output)}
        write_whole(output / _REPORT, (json.dumps(report, indent=1, ensure_ascii=False) + "\n").encode())
    shutil.rmtree(work.folder, ignore_errors=True)
    finished: dict[str, Any] = json.loads((output / _REPORT).read_text(encoding="utf-8"))
    return finished


def _claim(output: Path, asked: Mapping[str, Any]) -> None:
    """Notes in the folder what it is for, or checks that it is for this."""
    note = output / _REQUEST
    if not note.is_file():
        if (output / _REPORT).exists():
            raise UserError(f"{output} has a {_REPORT} of something else: name another folder")
        write_whole(note, (json.dumps(asked, indent=1, ensure_ascii=False) + "\n").encode())
        return
    there = json.loads(note.read_text(encoding="utf-8"))
    other = [key for key in asked if there.get(key) != asked[key]]
    if other:
        raise UserError(
            f"{output} holds a curation of other {', '.join(other)} (see {note.name}): name another folder, or "
            "delete it"
        )


class _Work:
    """The sources and steps of a request, opened, and what is done so far: one of it in every process."""

    def __init__(self, request: Request, folder: Path) -> None:
        self.request, self.folder = request, folder
        self.steps = [entry.build(request.seed) for entry in request.steps]
        self.passes = passes(self.steps)
        self.sources: dict[str, tuple[Source, Sequence[int]]] = {}
        for name, entry in request.sources.items():
            source = open_named(name, entry)
            self.sources[name] = source, sorted_numbers(entry_records(source, name, entry))
        self.counts = {name: len(numbers) for name, (_, numbers) in self.sources.items()}
        self.slices = list(self._slices())
        self.begun: set[int] = set()  # steps that have their plans
        self.reading: tuple[int, dict[str, Source]] = -1, {}  # a pass, and the sources with what it reads

    def run(self, number: int, place: int) -> None:
        """Does a pass over a slice, unless it is done."""
        if self._file(number, place).is_file():
            return
        this = self.passes[number]
        for step in this.deciding:
            self.begin(step)
        name, before, span = self.slices[place]
        numbers = self.sources[name][1]
        rows = (
            [Row(before + own, "", {}, {}) for own in span]
            if number == 0
            else self._slice(number - 1, place).left
        )
        done = run_pass(
            self.steps,
            this,
            (name, self._read_by(number)[name]),
            [(numbers[row.number - before], row) for row in rows],
        )
        done.rows.sort(key=lambda row: row.number)
        columns = stored(done, self.steps, last=number + 1 == len(self.passes))
        write_whole(self._file(number, place), to_bytes(columns, done.survey))

    def settle(self, number: int, step: int) -> None:
        """Makes the plan of a step from what a pass surveyed."""
        if not self._plan(step).is_file():
            surveys = (read_survey(str(self._file(number, place))) for place in range(len(self.slices)))
            plan = self.steps[step].settle(surveys)
            write_whole(
                self._plan(step), json.dumps(plan, ensure_ascii=False).encode("utf-8", "surrogatepass")
            )

    def begin(self, step: int) -> None:
        """Gives a step its plan, once."""
        if step not in self.begun:
            surveys = self.steps[step].surveys
            self.steps[step].begin(json.loads(self._plan(step).read_bytes()) if surveys else None)
            self.begun.add(step)

    def check_fits(self) -> None:
        """Has the steps look whether their files belong to the sources, by the ids of some records.

        Raises:
          ValueError: those of a step do not.
        """
        for name, (source, numbers) in self.sources.items():
            ids = list(some_ids(source, numbers))
            for step in self.steps:
                step.check_fits(name, ids)

    def join(self, output: Path) -> dict[str, Any]:
        """Writes what all slices come to, and returns the report."""
        numbers = range(len(self.passes))
        made = (
            (name, [self._slice(number, place) for number in numbers])
            for place, (name, _, _) in enumerate(self.slices)
        )
        return Outcome(self.steps, self.counts, output).write(made)

    def _read_by(self, number: int) -> dict[str, Source]:
        """The sources with the fields that a pass reads."""
        if self.reading[0] != number:
            fields = fields_read(self.steps, self.passes[number])
            opened = {name: in_order(source, fields) for name, (source, _) in self.sources.items()}
            self.reading = number, opened
        return self.reading[1]

    def _slice(self, number: int, place: int) -> Stored:
        return read_slice(str(self._file(number, place)))

    def _file(self, number: int, place: int) -> Path:
        return self.folder / f"pass-{number}" / f"{place:07d}.arrow"

    def _plan(self, step: int) -> Path:
        return self.folder / f"plan-{step}.json"

    def _slices(self) -> Iterator[tuple[str, int, range]]:
        """The source of each slice, the number of the source's first record, and places in its records in use."""
        before = 0
        for name, count in self.counts.items():
            for first in range(0, count, self.request.slice):
                yield name, before, range(first, min(first + self.request.slice, count))
            before += count

    def described(self) -> dict[str, Any]:
        """What the outcome depends on."""
        sources = {
            name: {key: entry[key] for key in _ORIGIN if entry.get(key)} | {"records": self.counts[name]}
            for name, entry in self.request.sources.items()
        }
        steps = [
            {"name": entry.name, **entry.settings, "given": step.given()}
            for entry, step in zip(self.request.steps, self.steps, strict=True)
        ]
        return {"sources": sources, "steps": steps, "seed": self.request.seed}


class _Workers:
    """The processes, started once for all passes; of one there is none but this."""

    def __init__(self, request: Request, work: _Work, processes: int) -> None:
        self.work, self.pool = work, None
        self.bar = tqdm(total=len(work.passes) * len(work.slices), unit="slice", disable=None)
        count = min(processes, len(work.slices))
        if count > 1:
            self.pool = ProcessPoolExecutor(count, get_context("spawn"), _start, (request, work.folder))

    def run(self, number: int) -> None:
        """Does a pass over all slices."""
        places = range(len(self.work.slices))
        if self.pool is None:
            for place in places:
                self.work.run(number, place)
                self.bar.update()
            return
        try:
            for _ in self.pool.map(_run, [number] * len(places), places):
                self.bar.update()
        except BrokenProcessPool as error:
            raise WorkerFailed(
                "a process ended before its slice was done, perhaps for want of memory: make curate.slice or "
                "curate.processes smaller"
            ) from error

    def close(self) -> None:
        """Ends the processes, once each has done the slice that it is at."""
        self.bar.close()
        if self.pool is not None:
            self.pool.shutdown(cancel_futures=True)


_OPENED: list[_Work] = []  # in a worker process, the one that it works with


def _start(request: Request, folder: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all: the first process answers
    _OPENED.append(_Work(request, folder))


def _run(number: int, place: int) -> None:
    _OPENED[0].run(number, place)
