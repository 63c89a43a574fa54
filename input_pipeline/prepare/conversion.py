"""The whole conversion: records in order, near-duplicates left out, shards finished one by one."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from input_pipeline.errors import UserError
from input_pipeline.prepare.convert import Converted, Settings, joined
from input_pipeline.prepare.fingerprint import BYTES, Seen
from input_pipeline.prepare.shards import ShardWriter
from input_pipeline.prepare.tally import Tally
from input_pipeline.prepare.workers import Results, Work, converted
from input_pipeline.sources import open_named
from input_pipeline.subsets import entry_records

_ORIGIN = ("format", "path", "columns", "fraction", "keep_ids")  # what the records depend on


@dataclasses.dataclass(frozen=True)
class Report:
    """Holds what a conversion came to.

    Attributes:
      tally: counts over the whole conversion, interruptions included.
      shards: how many there are.
      records_now: converted by this call; fewer than all when it went on from an interruption.
      records_per_second_and_process: of those.
    """

    tally: Tally
    shards: int
    records_now: int
    records_per_second_and_process: float


def prepare(name: str, entry: Mapping[str, Any], settings: Settings, output: Path, processes: int) -> Report:
    """Converts the records in use of a source into shards in `output`, or goes on where an interrupted call was.

    The shards are the same bytes for any number of processes and any interruptions. Memory holds some hundred
    records a process, and the fingerprints (see `Seen`).

    Args:
      name: of the source, for messages.
      entry: as in `data.sources`.
      settings: what decides about the bytes.
      output: a folder.
      processes: to work in; with 1, this one.

    Raises:
      ValueError: the source cannot be opened, the folder holds something else, or no record can be used.
      WorkerFailed: a record ended its worker.
    """
    source = open_named(name, entry)
    work = Work(name, source, entry_records(source, name, entry), settings)
    described = {key: entry[key] for key in _ORIGIN if key in entry} | {"records": len(work)}
    described |= {key: entry[key] for key in ("image_folder", "captions_by_id") if entry.get(key)}
    conversion = {"source": described, **dataclasses.asdict(settings)}
    with closing(ShardWriter(output, conversion)) as shards:
        start = shards.progress["position"] if shards.progress else 0
        began = time.perf_counter()
        run = _Conversion(shards, settings)
        if not shards.complete:
            with tqdm(total=len(work), initial=start, unit="record", disable=None) as bar:
                for results in converted(work, start, processes):
                    run.add(results)
                    bar.update(len(results))
            run.finish()
        if not run.tally.kept:
            raise UserError(
                f"none of {len(work)} records can be used: {run.tally.losses() or 'there are none'}"
            )
        seconds, now = time.perf_counter() - began, run.position - start
        return Report(run.tally, shards.count, now, now / seconds / processes)


class _Conversion:
    """Where a conversion stands: what it has seen, and how far it has come."""

    def __init__(self, shards: ShardWriter, settings: Settings) -> None:
        self.shards, self.settings = shards, settings
        progress = shards.progress or {"position": 0, "tally": {}}
        self.position, self.tally = progress["position"], Tally(**progress["tally"])
        self.last: Converted | None = (
            None  # kept and not yet written: the next row may be another caption of it
        )
        self.seen = Seen(settings.duplicate_tolerance) if settings.duplicate_tolerance >= 0 else None
        there = shards.fingerprints() if not shards.complete else None
        if self.seen and there is not None:
            self.seen.remember(there)

    def add(self, results: Results) -> None:
        """The next records in order."""
        new = self._new([result.fingerprint for result in results if isinstance(result, Converted)])
        for result in results:
            if not isinstance(result, Converted):
                self.tally.drop(result.reason.name.lower(), result.detail)
            elif next(new):
                self._write_last()
                self.last = result
            elif self.last and (both := joined(self.last, result)):
                self.last, self.tally.joined = both, self.tally.joined + 1
            else:
                self.tally.leave_out(result)
            self.position += 1

    def finish(self) -> None:
        """Nothing comes after the records that were added."""
        self._write_last()
        self.shards.finish(self._progress())
        self.shards.complete_with(self._progress())

    def _write_last(self) -> None:
        """The record that was kept last, when no other row can belong to it any more."""
        if self.last is None:
            return
        self.tally.keep(self.last)
        self.shards.write(self.last.data, self.last.fingerprint)
        self.last = None
        if self.shards.records == self.settings.records_per_shard:
            self.shards.finish(self._progress())

    def _new(self, fingerprints: list[bytes]) -> Iterator[bool]:
        if self.seen is None:
            return iter([True] * len(fingerprints))
        rows = np.frombuffer(b"".join(fingerprints), np.uint8).reshape(-1, BYTES)
        return iter(self.seen.keep_new(rows).tolist())

    def _progress(self) -> dict[str, Any]:
        return {"position": self.position, "tally": dataclasses.asdict(self.tally)}
