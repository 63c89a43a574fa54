"""Comparisons in one run: contestants take turns, so that a neighbour's noise meets all of them, and medians count."""

from __future__ import annotations

import dataclasses
import resource
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Generic, TypeVar

Result = TypeVar("Result")


@dataclasses.dataclass
class Times(Generic[Result]):
    """What a contestant took.

    Attributes:
      wall: seconds of each round.
      processor: seconds of all threads of this process in each round.
      result: of the last round.
    """

    wall: list[float] = dataclasses.field(default_factory=list)
    processor: list[float] = dataclasses.field(default_factory=list)
    result: Result | None = None

    def run(self, contestant: Callable[[], Result]) -> None:
        """Times one round."""
        wall, processor = time.perf_counter(), time.process_time()
        self.result = contestant()
        self.wall.append(time.perf_counter() - wall)
        self.processor.append(time.process_time() - processor)

    @property
    def seconds(self) -> float:
        """The median of the wall times."""
        return statistics.median(self.wall)

    def ratios(self, other: Times[Result]) -> list[float]:
        """Returns the ratios to another's wall times, round by round."""
        return [a / b for a, b in zip(self.wall, other.wall, strict=True)]

    def to(self, other: Times[Result]) -> float:
        """Returns the median of the ratios."""
        return statistics.median(self.ratios(other))


def alternated(contestants: Mapping[str, Callable[[], Result]], rounds: int) -> dict[str, Times[Result]]:
    """Runs every contestant once a round, in their order; what has to be compiled is compiled before."""
    times: dict[str, Times[Result]] = {name: Times() for name in contestants}
    for _ in range(rounds):
        for name, contestant in contestants.items():
            times[name].run(contestant)
    return times


def peak_gib() -> float:
    """Returns how much host memory this process has had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def memory(field: str) -> int:
    """Returns this process's VmRSS (now) or VmHWM (peak since `forget_peak`) in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(field))


def forget_peak() -> int:
    """Has the peak of this process's memory count from here; returns what it holds."""
    Path("/proc/self/clear_refs").write_text("5")
    return memory("VmRSS")
