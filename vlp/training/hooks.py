"""Side effects of training, each a small object with a period; `loop.run_hooks` calls them in order.

Deterministic values are logged before a checkpoint is saved, so that what a resumed run finds in metrics.jsonl up to
its checkpoint is what it would have written itself.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from vlp.configuration import ConfigError
from vlp.evaluation import Evaluator, due, evaluate
from vlp.parallel.sharding import fetch
from vlp.processes.agreement import from_first
from vlp.training.goodput import Goodput
from vlp.training.loop import StepInfo
from vlp.training.observing import Compilations
from vlp.training.progress import NAMES, Progress, format_line
from vlp.training.state import TrainState
from vlp.training.throughput import StepTimer
from vlp.training.writers import MetricsWriter


class Counter(Protocol):
    """Holds what counts events of a run."""

    def metrics(self) -> dict[str, float]:
        """Returns the counts so far, by the names they have in metrics.jsonl."""


@dataclasses.dataclass
class Log:
    """Losses, norms and rates to metrics.jsonl, timings.jsonl and the progress line."""

    every: int
    writer: MetricsWriter
    progress: Progress
    timer: StepTimer
    counters: Sequence[Counter]
    compilations: Compilations
    goodput: Goodput
    steps: int
    at_end: bool = False

    def __call__(self, info: StepInfo) -> None:
        """Fetches the step's metrics, which waits for the device once a period."""
        with self.timer.compute():
            values = fetch(info.metrics)
        for counter in self.counters:
            values |= counter.metrics()
        rates = self.timer.report(self.steps - info.step)
        self.writer.write_metrics(info.step, values)
        compiled = self.compilations
        counts = {"compiled_programs": compiled.total(), "compiled_steps": compiled.of_the_step()}
        self.writer.write_timings(info.step, rates | counts | self.goodput.logged(info.step, rates))
        shown = _of_objectives(values) | values | rates
        self.progress.show(info.step, shown)
        logging.getLogger("vlp").info(format_line(info.step, self.steps, shown))


def _of_objectives(values: Mapping[str, float]) -> dict[str, float]:
    """What the progress line shows of `objective/name`, by its name alone; of several objectives the first."""
    shown: dict[str, float] = {}
    for path, value in sorted(values.items()):
        objective, _, name = path.rpartition("/")
        if objective and name in NAMES:
            shown.setdefault(name, value)
    return shown


@dataclasses.dataclass
class Evaluate:
    """Evaluators that are due, on the running mean of the weights where there is one.

    After the last step it does nothing: that round comes once the last checkpoint is there (`vlp.runs.final_round`).
    """

    evaluators: Sequence[Evaluator]
    model_of: Callable[[TrainState], Any]
    keep: Callable[[Mapping[str, float]], None]
    writer: MetricsWriter
    timer: StepTimer
    steps: int
    every: int = 1
    at_end: bool = False

    def __call__(self, info: StepInfo) -> None:
        """Runs what is due after this step, and keeps its figures."""
        active = due(self.evaluators, info.step) if info.step < self.steps else []
        if active:
            with self.timer.paused("evaluation"):
                figures = evaluate(active, self.model_of(info.state))
            self.writer.write_metrics(info.step, figures)
            self.keep(figures)


@dataclasses.dataclass
class Checkpoint:
    """Saves the state; the copy to the host is waited for, the writing is not."""

    every: int
    save: Callable[[StepInfo], None]
    timer: StepTimer
    at_end: bool = True
    _saved: float = dataclasses.field(default_factory=lambda: time.monotonic())

    def __call__(self, info: StepInfo) -> None:
        """Saves this step."""
        with self.timer.paused("checkpoint"):
            self.save(info)
        self._saved = time.monotonic()

    @property
    def age(self) -> float:
        """Returns seconds since the last save, or since the start."""
        return time.monotonic() - self._saved


@dataclasses.dataclass
class CheckpointByTime:
    """Saves where the last save is too long ago, whatever steps take; where one is still being written, it waits.

    Attributes:
      minutes: without a save.
      checkpoint: what saves, by steps too.
      busy: whether the last save is under way.
      every: steps between two looks. The first process's clock decides for all, so that each look of several processes
        costs an agreement.
    """

    minutes: float
    checkpoint: Checkpoint
    busy: Callable[[], bool]
    every: int
    at_end: bool = False

    def __call__(self, info: StepInfo) -> None:
        """Looks, and saves this step where it is time; its own period and the last step are left to `checkpoint`."""
        due = self.checkpoint.age >= 60 * self.minutes and not self.busy()
        if from_first(int(due)) and not info.last:
            self.checkpoint(info)


@dataclasses.dataclass
class Advance:
    """Moves the progress bar and starts the clock once the first step, which compiles, is done."""

    progress: Progress
    timer: StepTimer
    goodput: Goodput
    every: int = 1
    at_end: bool = False
    _started: bool = False

    def __call__(self, info: StepInfo) -> None:
        """Advances the bar by one step."""
        self.progress.advance(info.step)
        if not self._started:
            fetch(info.metrics["loss"])
            self.timer.restart()
            self.goodput.started()
            self._started = True


@dataclasses.dataclass
class DataCounters:
    """Counts captions that were cut, padding of images, and records that were replaced because they could not be used;
    too many of these stop the run.

    Attributes:
      max_share: of replaced records among all seen.
      reasons: name of each reason code.
      describe: names a record by (source number, record number).
      seen: records this host has seen, over all restarts.
      replaced: of those, the replaced ones by reason.
      truncated: of those, the ones with a text that did not fit.
      patches: that images at their own aspect ratio took, with padding; 0 where images are squares.
      padding: of those, what is none of an image.
      offenders: replaced records since the start of the process, by (source number, reason): how many, and the first.
    """

    max_share: float
    reasons: Mapping[int, str]
    describe: Callable[[int, int], str]
    seen: int = 0
    truncated: int = 0
    patches: int = 0
    padding: int = 0
    replaced: dict[str, int] = dataclasses.field(default_factory=dict)
    offenders: dict[tuple[int, str], tuple[int, int]] = dataclasses.field(default_factory=dict)
    every: int = 1
    at_end: bool = False

    def __call__(self, info: StepInfo) -> None:
        """Adds one batch.

        Raises:
          ConfigError: the share of replaced records exceeds the limit.
        """
        codes = info.batch["replaced"]
        self.seen += len(codes)
        self.truncated += int(info.batch["truncated"].sum())
        for name, grid in info.batch.items():
            if name.endswith("_grid"):
                patches = grid[..., 0].size * info.batch[name.removesuffix("_grid")].shape[-3]
                self.patches += patches
                self.padding += patches - int(grid.prod(axis=-1).sum())
        for row in codes.nonzero()[0].tolist():
            self._count(self.reasons[int(codes[row])], *info.batch["own"][row].tolist())
        total = sum(self.replaced.values())
        # A share of few records says little: wait for a thousand.
        if total > self.max_share * max(self.seen, 1000):
            raise ConfigError(
                f"{total} of {self.seen} records could not be used, more than data.max_bad_share={self.max_share}: "
                f"{self.worst()}. Look at the data, or raise the limit"
            )

    def _count(self, reason: str, source: int, record: int) -> None:
        self.replaced[reason] = self.replaced.get(reason, 0) + 1
        count, first = self.offenders.get((source, reason), (0, record))
        self.offenders[source, reason] = count + 1, first

    def worst(self, most: int = 5) -> str:
        """Returns the sources and reasons behind most replaced records, each with an example."""
        ranked = sorted(self.offenders.items(), key=lambda item: -item[1][0])[:most]
        return "; ".join(
            f"{count} {reason}, such as {self.describe(source, first)}"
            for (source, reason), (count, first) in ranked
        )

    def metrics(self) -> dict[str, float]:
        """Returns what goes into metrics.jsonl: cut captions, replaced records in all and by reason, and the share of
        padding in patches where there is any, so far."""
        by_reason = {f"data/replaced/{reason}": count for reason, count in self.replaced.items()}
        return {
            "data/truncated": self.truncated,
            "data/replaced": sum(self.replaced.values()),
            **by_reason,
            **({"data/padding": self.padding / self.patches} if self.patches else {}),
        }

    def to_dict(self) -> dict[str, Any]:
        """Returns what a checkpoint remembers."""
        tokens = {"patches": self.patches, "padding": self.padding} if self.patches else {}
        return {"seen": self.seen, "truncated": self.truncated, "replaced": self.replaced, **tokens}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Goes on counting from a checkpoint."""
        self.seen, self.truncated = saved["seen"], saved.get("truncated", 0)
        self.patches, self.padding = saved.get("patches", 0), saved.get("padding", 0)
        self.replaced = dict(saved["replaced"])
