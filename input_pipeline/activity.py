"""Which record each loader thread of every process is looking at: what a stalled stream is asked about."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int64

from input_pipeline.mixture import Address

Note = Callable[[Address], None]
_ROWS = 4096  # more batches than are ever under way


class Doing(NamedTuple):
    """One batch under way: who prepares it, which record it is looking at, and for how long."""

    batch: int
    process: int
    thread: int
    record: Address
    seconds: float


class Activity:
    """A board in a file that all processes share; a note costs about a microsecond."""

    def __init__(self, sources: Sequence[str]) -> None:
        """Makes the file; `remove` it in the end."""
        self._sources = tuple(sources)
        self._places = {name: place for place, name in enumerate(sources)}
        with tempfile.NamedTemporaryFile(prefix="vlp-stream-", delete=False) as file:
            file.write(bytes(_ROWS * 6 * 8))
        self._path = Path(file.name)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_board"}

    @cached_property
    def _board(self) -> Int64[np.ndarray, "rows 6"]:
        return np.memmap(self._path, np.int64, "r+", shape=(_ROWS, 6))

    def begin(self, batch: int) -> Note:
        """Returns the function that notes the records of a batch."""
        board, row, places = self._board, batch % _ROWS, self._places
        process, thread, clock = os.getpid(), threading.get_native_id(), time.monotonic_ns

        def note(record: Address) -> None:
            board[row] = batch + 1, process, thread, places[record.source], record.record, clock()

        return note

    def end(self, batch: int) -> None:
        """Notes that the batch is ready."""
        self._board[batch % _ROWS, 0] = 0

    def doing(self) -> list[Doing]:
        """Returns what is under way, the oldest batch first."""
        rows = np.array(self._board)
        rows = rows[rows[:, 0] > 0]
        now = time.monotonic_ns()
        return [
            Doing(batch - 1, process, thread, Address(self._sources[source], record), (now - since) / 1e9)
            for batch, process, thread, source, record, since in rows[rows[:, 0].argsort()].tolist()
        ]

    def processes(self) -> set[int]:
        """Returns all that ever prepared a batch."""
        return set(self._board[:, 1].tolist()) - {0}

    def remove(self) -> None:
        """Deletes the file."""
        self._path.unlink(missing_ok=True)
