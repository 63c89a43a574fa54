"""No batch comes: say what every thread and process is doing and what to change, and in the end give up."""

from __future__ import annotations

import contextlib
import faulthandler
import itertools
import multiprocessing
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from input_pipeline.activity import Activity, Doing
from input_pipeline.fields import Batch

_POLL_SECONDS = 1.0
_FIRST_BATCHES = 64  # by which all processes have begun
_THREAD_NAMES = ("grain-", "stream", "Main")
_STACK_DEPTH = 6
_GRACE_SECONDS = 60.0


class WorkerDied(RuntimeError):
    """A loader process is gone: killed, out of memory, or crashed in a decoder."""


class StreamStalled(RuntimeError):
    """No batch came for so long that waiting on is useless."""


def _print(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Watchdog:
    """Holds what happens when no batch comes.

    Attributes:
      seconds: of waiting between two reports; 0 reports nothing and waits for ever.
      reports: so many are made, then the run stops.
      report: what takes a report.
    """

    seconds: float = 0.0
    reports: int = 10
    report: Callable[[str], None] = field(default=_print)

    def watched(self, batches: Any, activity: Activity) -> Generator[Batch, None, None]:
        """Yields the batches of a grain iterator, drawn by a thread so that this one can look around while it waits.

        A generator: closing it stops threads and processes.

        Raises:
          WorkerDied: a loader process is gone.
          StreamStalled: the last report has been made.
        """
        ready: queue.Queue[Batch | BaseException] = queue.Queue(1)
        stop = threading.Event()
        workers: list[BaseProcess] = []
        thread = threading.Thread(target=_draw, args=(batches, ready, stop), name="stream", daemon=True)
        thread.start()
        try:
            for number in itertools.count():
                batch = self._next(ready, activity, workers)
                if isinstance(batch, BaseException):
                    _check_workers(workers)
                    raise batch
                if number < _FIRST_BATCHES:
                    _find_workers(workers, activity)
                yield batch
        finally:
            stop.set()
            _drain(ready)  # makes room, should the thread want to put
            batches.close()
            thread.join(_POLL_SECONDS)
            _drain(ready)
            activity.remove()

    def _next(
        self, ready: queue.Queue[Batch | BaseException], activity: Activity, workers: list[BaseProcess]
    ) -> Batch | BaseException:
        start, reports = time.monotonic(), 0
        while True:
            try:
                return ready.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                _find_workers(workers, activity)
                _check_workers(workers)
            waited = time.monotonic() - start
            if self.seconds and waited >= (reports + 1) * self.seconds:
                reports += 1
                self.report(_account(waited, activity.doing(), workers))
                if reports >= self.reports:
                    _leave_in_the_end()
                    raise StreamStalled(
                        f"no batch came for {waited:.0f} s (data.watchdog_seconds={self.seconds:g}, "
                        f"{reports} reports): see the last report above"
                    )


def worker_preparation() -> Callable[[int, int], None]:
    """Returns what a new worker does first: finds this package, sees to it that it outlives no run, and lets the
    watchdog ask for stacks."""
    folder = str(Path(__file__).resolve().parents[__name__.count(".")])

    # A function inside a function is pickled whole and not by name: where the program was started, another package may
    # have our name, and the worker looks there first.
    def prepare(index: int, count: int) -> None:
        del index, count
        sys.path.insert(0, folder)
        from input_pipeline.orphans import end_with_parent, name_shared_memory

        end_with_parent()
        name_shared_memory()
        faulthandler.register(signal.SIGUSR1, all_threads=True)

    return prepare


def _draw(batches: Any, ready: queue.Queue[Batch | BaseException], stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            ready.put(_unlinked(next(batches)))
        except BaseException as error:
            ready.put(error)
            return


def _unlinked(batch: Batch) -> Batch:
    """Takes what worker processes share out of the file system: the memory lives on for as long as the arrays.

    Grain does so when an array is deleted, by a thread. Some arrays outlive it, as JAX holds on to what it was given:
    then the interpreter warns of leaks in the end, and a killed run leaves them behind.
    """
    for array in batch.values():
        if getattr(array, "_unlink_on_del", False):
            shared: Any = array
            shared.shm.unlink()
            shared._unlink_on_del = False
    return batch


def _drain(ready: queue.Queue[Batch | BaseException]) -> None:
    with contextlib.suppress(queue.Empty):
        ready.get_nowait()


def _find_workers(workers: list[BaseProcess], activity: Activity) -> None:
    """Adds the processes that prepare batches of this stream: a dead one is no longer among the children."""
    here = activity.processes() - {worker.pid for worker in workers}
    workers += [child for child in multiprocessing.active_children() if child.pid in here]


def _check_workers(workers: Sequence[BaseProcess]) -> None:
    for worker in workers:
        if worker.exitcode:
            how = signal.Signals(-worker.exitcode).name if worker.exitcode < 0 else f"code {worker.exitcode}"
            raise WorkerDied(
                f"loader process {worker.pid} ended with {how}. SIGKILL usually means that the machine ran out of "
                "memory: use fewer data.workers, or a smaller data.prefetch. The same command goes on from the last "
                "checkpoint"
            )


def _account(waited: float, doing: Sequence[Doing], workers: Sequence[BaseProcess]) -> str:
    """The report: who works on what, and where."""
    lines = [f"no training batch for {waited:.0f} s"]
    lines += [
        f"  process {one.process}, thread {one.thread}: batch {one.batch}, for {one.seconds:.0f} s on record "
        f"{one.record.record} of source '{one.record.source}'"
        for one in doing
    ] or ["  no loader thread is looking at any record"]
    for worker in workers:
        lines.append(f"  loader process {worker.pid} is {'alive' if worker.is_alive() else 'dead'}")
        if worker.pid and worker.is_alive():
            os.kill(
                worker.pid, signal.SIGUSR1
            )  # its stacks follow on standard error: see `worker_preparation`
    lines += _stacks()
    lines.append(_advice(waited, doing))
    return "\n".join(lines)


def _stacks() -> list[str]:
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    return [
        f"  thread '{names[ident]}' of process {os.getpid()}:\n"
        + "".join(traceback.format_stack(frame)[-_STACK_DEPTH:]).rstrip()
        for ident, frame in sys._current_frames().items()
        if ident in names and names[ident].startswith(_THREAD_NAMES)
    ]


def _advice(waited: float, doing: Sequence[Doing]) -> str:
    stuck = sorted({one.record.source for one in doing if one.seconds > waited / 2})
    if stuck:
        where = " and ".join(f"data.sources.{source}.path" for source in stuck)
        return f"  what to do: reading or decoding hangs; check the storage under {where}, or leave the source out"
    if doing:
        return (
            "  what to do: records come, but slowly; raise data.workers or data.threads, or lower batch_size"
        )
    return (
        "  what to do: loader processes start slowly or wait; check the machine's load, or lower data.workers"
    )


def _leave_in_the_end() -> None:
    """Ends the process although a thread hangs, which Python would wait for once the main thread is done."""

    def leave() -> None:
        threading.main_thread().join()
        time.sleep(_GRACE_SECONDS)
        os._exit(1)

    threading.Thread(target=leave, name="leave", daemon=True).start()
