"""SIGTERM and SIGINT as a wish to stop: the loop finishes its step, saves and leaves."""

from __future__ import annotations

import os
import signal
from types import FrameType

import jax
from jax.experimental import multihost_utils


class StopSignal:
    """A flag that SIGTERM or SIGINT raises; a second SIGINT interrupts at once.

    Of several processes each may be the one that is told: jax watches for SIGTERM itself then, and has all of them
    agree on a step. Use as a context manager around the loop; the former handlers come back afterwards.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._together = jax.process_count() > 1
        self._former: dict[signal.Signals, signal._HANDLER] = {}

    def __enter__(self) -> StopSignal:
        for number in (signal.SIGINT,) if self._together else (signal.SIGTERM, signal.SIGINT):
            self._former[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def _handle(self, number: int, _: FrameType | None) -> None:
        if self.received is signal.Signals.SIGINT and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = signal.Signals(number)
        if self._together:
            os.kill(os.getpid(), signal.SIGTERM)

    def requested(self, step: int) -> bool:
        """Tells whether to stop after this step; of several processes all are told the same."""
        if self._together and multihost_utils.reached_preemption_sync_point(step):
            self.received = self.received or signal.Signals.SIGTERM
            return True
        return self.received is not None and not self._together
