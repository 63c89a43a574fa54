"""SIGTERM and SIGINT as a wish to stop: the loop finishes its step, saves and leaves."""

from __future__ import annotations

import signal
from types import FrameType


class StopSignal:
    """A flag that SIGTERM or SIGINT raises; a second SIGINT interrupts at once.

    Use as a context manager around the loop; the former handlers come back afterwards.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._former: dict[signal.Signals, signal._HANDLER] = {}

    def __enter__(self) -> StopSignal:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._former[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def _handle(self, number: int, _: FrameType | None) -> None:
        if self.received is signal.Signals.SIGINT and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = signal.Signals(number)

    def requested(self) -> bool:
        """Whether a signal has come."""
        return self.received is not None
