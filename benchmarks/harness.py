"""Comparisons in one run: contestants take turns, so that a neighbour's noise meets all of them, and medians count."""

from __future__ import annotations

import contextlib
import dataclasses
import resource
import socket
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Generic, TypeVar

# Ahead of other flags: one stage, so that a step is a step, and what they set is what is measured.
PLAIN = "--config=configs/quickstart.py:plain"
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
        with self.round():
            self.result = contestant()

    @contextlib.contextmanager
    def round(self) -> Iterator[None]:
        """Times what is done within as one round."""
        wall, processor = time.perf_counter(), time.process_time()
        yield
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


def joined(command: Sequence[str], processes: int, environment: Mapping[str, str]) -> str:
    """Returns what a command prints that runs in several processes of one run, each of one CPU device: the first one's.

    Args:
      command: a program of ours; where the others are found is added to its flags.
      processes: how many; one is not told of any others.
      environment: of each.

    Raises:
      SystemExit: one of them failed, with what it said.
    """
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    where = [
        f"--config.distributed.coordinator=127.0.0.1:{port}",
        f"--config.distributed.processes={processes}",
    ]
    started = [
        subprocess.Popen(
            [*command, *([*where, f"--config.distributed.process={index}"] if processes > 1 else [])],
            env={**environment, **({"JAX_NUM_CPU_DEVICES": "1"} if processes > 1 else {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in range(processes)
    ]
    said = [process.communicate() for process in started]
    for process, (_, errors) in zip(started, said, strict=True):
        if process.returncode:
            raise SystemExit(errors[-3000:])
    return said[0][0]
