"""Many records converted by several processes and delivered in order, a bounded number ahead."""

from __future__ import annotations

import contextlib
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import connection, get_context
from typing import Any, NamedTuple

from input_pipeline.prepare.convert import Converted, Settings, convert
from input_pipeline.records import BadRecord, Reason
from input_pipeline.sources import Source
from input_pipeline.spawning import check_guarded

CHUNK = 32  # records that travel at once
_AHEAD = 4  # chunks of each process that may wait for their turn


class Dropped(NamedTuple):
    """A record that cannot be used."""

    reason: Reason
    detail: str


class WorkerFailed(RuntimeError):
    """A record that ended its worker: a mistake in the code, or too little memory. The message names it."""


@dataclass(frozen=True)
class Work:
    """Records of a source, and what to do with each.

    Attributes:
      name: of the source.
      numbers: of the records, in the order in which they are converted.
    """

    name: str
    source: Source
    numbers: Sequence[int]
    settings: Settings

    def __len__(self) -> int:
        return len(self.numbers)

    def chunk(self, first: int) -> range:
        """Returns the positions that travel together with the first of them."""
        return range(first, min(first + CHUNK, len(self)))

    def __call__(self, position: int) -> Converted | Dropped:
        """Returns the record at a position, converted.

        Raises:
          WorkerFailed: anything but a bad record went wrong.
        """
        name = self.describe(position)
        try:
            record = self.source[self.numbers[position]]
            name = f"{name} ('{record.id}')"
            return convert(record, self.settings)
        except BadRecord as bad:
            return Dropped(bad.reason, f"{name}: {bad.detail}")
        except Exception as error:
            raise WorkerFailed(f"{name}: {type(error).__name__}: {error}") from error

    def describe(self, position: int) -> str:
        return f"record {self.numbers[position]} of source '{self.name}'"


Results = list[Converted | Dropped]


def converted(work: Work, start: int, processes: int) -> Iterator[Results]:
    """Results for the positions from `start` on, in order, some at a time.

    Args:
      processes: to work in; with 1, this process. They are spawned: scripts guard `__main__`.

    Raises:
      WorkerFailed: see there.
    """
    chunks = range(start, len(work), CHUNK)  # by their first positions
    if processes == 1:
        for first in chunks:
            yield [work(position) for position in work.chunk(first)]
        return
    check_guarded(f"prepare.processes={processes}")
    with contextlib.ExitStack() as stack:
        processes = min(processes, len(chunks))
        workers = [_Worker(work, chunks[number::processes]) for number in range(processes)]
        for worker in workers:
            stack.callback(worker.stop)
        for number in range(len(chunks)):
            turn = workers[number % processes]
            while not turn.waiting:
                _receive(workers)
            yield turn.waiting.popleft()


class _Worker:
    """One process with its own pipe; it works on while `_AHEAD` of its chunks wait here."""

    def __init__(self, work: Work, chunks: range) -> None:
        context = get_context("spawn")
        self.work, self.waiting = work, deque[Results]()
        self.position = context.Value("q", chunks[0])
        self.pipe, theirs = context.Pipe(duplex=False)
        self.process = context.Process(target=_serve, args=(work, chunks, theirs, self.position), daemon=True)
        self.process.start()
        theirs.close()
        self.due = len(chunks)

    def receive(self) -> None:
        try:
            results = self.pipe.recv()
        except EOFError:
            self.process.join()
            where, code = self.work.describe(self.position.value), self.process.exitcode
            how = f"was killed by signal {-code}" if code and code < 0 else f"ended with exit code {code}"
            raise WorkerFailed(f"{where}: the process that was converting it {how}") from None
        if isinstance(results, WorkerFailed):
            raise results
        self.waiting.append(results)
        self.due -= 1

    def stop(self) -> None:
        self.process.kill()
        self.process.join()


def _receive(workers: Sequence[_Worker]) -> None:
    """Wait until something arrives, from any worker of which not too much is waiting."""
    listening: dict[Any, _Worker] = {
        worker.pipe: worker for worker in workers if worker.due and len(worker.waiting) < _AHEAD
    }
    for pipe in connection.wait(list(listening)):
        listening[pipe].receive()


def _serve(work: Work, chunks: range, pipe: connection.Connection, position: Any) -> None:
    """What a worker process does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all: the first process answers
    for first in chunks:
        results: Results = []
        for position.value in work.chunk(first):
            try:
                results.append(work(position.value))
            except WorkerFailed as failed:
                pipe.send(failed)
                return
        try:
            pipe.send(results)
        except BrokenPipeError:  # the first process is gone
            return
