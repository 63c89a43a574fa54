"""Goodput: the share of a run's wall time, over all launches, that made steps that count, and where the rest went."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from input_pipeline.whole_files import write_whole

FILE = "goodput.json"
STEPS = "steps"
WALL = "wall/"  # of the figures in timings.jsonl, with what the time went into

# What the time of a run goes into that makes no step that counts, for people to read.
REASONS = {
    "starting": "starting, restoring and compiling",
    "data": "waiting for data",
    "evaluation": "evaluation",
    "checkpoint": "saving",
    "clustering": "clustering",
    "undone": "steps that were skipped or rolled back",
    "again": "steps made again",
    "down": "between two launches",
    "ending": "the last save and evaluation",
}


class Goodput:
    """Adds up what a run's wall time went into since its first launch.

    A step counts once the run that is whole has it: what an earlier launch made after the checkpoint that this one goes
    on from is `again`, and updates that were skipped or rolled back are `undone`. Time within a launch is measured by
    the monotonic clock; between two launches only the system's can tell.

    Attributes:
      spent: seconds by what they went into.
    """

    def __init__(
        self,
        workdir: Path,
        *,
        step: int,
        undone: Callable[[], int],
        enabled: bool = True,
        age: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Goes on from what earlier launches left in the workdir. Call before timings.jsonl is truncated.

        Args:
          workdir: of the run.
          step: that this launch goes on from.
          undone: how many updates of the run so far changed nothing or were rolled back.
          enabled: False on all processes but the first, which then read and write nothing.
          age: seconds since this process began; None = as the system says.
          clock: monotonic seconds.
          wall: seconds of the system's clock.
        """
        self._path, self._clock, self._undone, self._enabled = workdir / FILE, clock, undone, enabled
        self._undone_before, self._stepped = undone(), False
        age = process_age() if age is None else age
        self._mark = clock() - age
        self._began, self.spent = wall() - age, dict[str, float]()
        left = _left(self._path) if enabled else {}
        if left:
            kept = left["spent"] if left["step"] <= step else _kept(workdir / "timings.jsonl", step)
            lost = max(0.0, sum(left["spent"].values()) - sum(kept.values()))
            self._began, self.spent = left["began"], dict(kept)
            self._add("again", lost)
            self._add("down", wall() - age - self._began - sum(self.spent.values()))

    @property
    def share(self) -> float:
        """Returns the goodput."""
        return self.spent.get(STEPS, 0.0) / (sum(self.spent.values()) or 1.0)

    def started(self) -> None:
        """Takes what passed for a start: of a launch, or of a stage, whose first step compiles."""
        self._stepped = True
        self._add("starting", self._passed())

    def logged(self, step: int, rates: Mapping[str, float]) -> dict[str, float]:
        """Divides what passed since the last time.

        Args:
          step: that has been made.
          rates: of `StepTimer.report`, over the same time.

        Returns:
          What timings.jsonl says of all time so far: 'goodput', and seconds as 'wall/REASON'.
        """
        passed, pauses = self._passed(), _pauses(rates)
        stepping = max(0.0, passed - sum(pauses.values()))
        waiting = stepping * rates.get("data_wait_share", 0.0)
        undone = self._undone()
        lost = (undone - self._undone_before) * rates.get("step_seconds", 0.0)
        self._undone_before = undone
        made = self.spent.get(STEPS, 0.0) + stepping - waiting
        for reason, seconds in {**pauses, "data": waiting, "undone": min(lost, made)}.items():
            self._add(reason, seconds)
        self.spent[STEPS] = max(0.0, made - lost)
        self._write(step)
        return {"goodput": self.share, **{f"{WALL}{name}": spent for name, spent in self.spent.items()}}

    def ended(self, step: int) -> None:
        """Takes what passed for the end of a launch, which saves and perhaps evaluates, and leaves the sums.

        A launch that found all steps made already is none of the run's.
        """
        if self._stepped:
            self._add("ending", self._passed())
            self._write(step)

    def _passed(self) -> float:
        before, self._mark = self._mark, self._clock()
        return self._mark - before

    def _add(self, reason: str, seconds: float) -> None:
        if seconds > 0:
            self.spent[reason] = self.spent.get(reason, 0.0) + seconds

    def _write(self, step: int) -> None:
        if self._enabled:
            content = {"step": step, "began": self._began, "goodput": self.share, "spent": self.spent}
            write_whole(self._path, (json.dumps(content, indent=1) + "\n").encode())


def goodput_in_words(workdir: Path) -> str:
    """Returns a run's goodput in a line, what cost most first; '' where it has left none."""
    spent = _left(workdir / FILE).get("spent", {})
    total = sum(spent.values())
    if not total:
        return ""
    losses = sorted(
        ((spent[reason], words) for reason, words in REASONS.items() if reason in spent), reverse=True
    )
    lost = ", ".join(
        f"{seconds / total:.1%} {words}" for seconds, words in losses if seconds / total >= 0.001
    )
    return (
        f"goodput: {spent.get(STEPS, 0.0) / total:.1%} of {total:,.0f} s made steps that count"
        + f"; {lost}" * bool(lost)
    )


def process_age() -> float:
    """Returns seconds since this process began; 0 where the system does not say."""
    with contextlib.suppress(OSError, ValueError, IndexError, AttributeError):
        began = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]) / os.sysconf(
            "SC_CLK_TCK"
        )
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - began)
    return 0.0


def _pauses(rates: Mapping[str, float]) -> dict[str, float]:
    """Seconds of what is no training step, by what it was."""
    names = {f"{reason}_seconds": reason for reason in REASONS}
    return {names[key]: seconds for key, seconds in rates.items() if key in names}


def _left(path: Path) -> dict[str, Any]:
    """What the last launch wrote; nothing where it wrote none that can be read."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        content = json.loads(path.read_text(encoding="utf-8"))
        return {
            "step": int(content["step"]),
            "began": float(content["began"]),
            "spent": {str(reason): float(seconds) for reason, seconds in content["spent"].items()},
        }
    return {}


def _kept(path: Path, step: int) -> dict[str, float]:
    """What was spent until the last line of timings.jsonl that is not of a later step."""
    with contextlib.suppress(OSError):
        for line in reversed(path.read_bytes().splitlines()):
            with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError):
                values = json.loads(line)
                if values["step"] <= step:
                    return {
                        name.removeprefix(WALL): float(seconds)
                        for name, seconds in values.items()
                        if name.startswith(WALL)
                    }
    return {}
