"""Hooks that look at how the program runs rather than at what it learns."""

from __future__ import annotations

import dataclasses
import gc
import logging
from collections import Counter
from pathlib import Path

import jax
from jax import monitoring

from vlp.parallel.sharding import fetch
from vlp.training.loop import HostBatch, StepInfo

LOWERED = (
    "/jax/core/compile/jaxpr_to_mlir_module_duration"  # once for each program, also where a cache has it
)


class Compilations:
    """Counts the programs that are compiled, from `with` on, and warns when the step is compiled once more."""

    every, at_end = 1, False

    def __init__(self, step: str = "train_step") -> None:
        """Starts with no compilation counted.

        Args:
          step: name of the function that is to be compiled once, and once more for each `expect`.
        """
        self._step, self._steps = f"jit({step})", 1
        self._shapes: dict[str, str] = {}
        self._counts: Counter[str] = Counter()

    def __enter__(self) -> Compilations:
        monitoring.register_event_duration_secs_listener(self._count)
        return self

    def __exit__(self, *_: object) -> None:
        monitoring.unregister_event_duration_listener(self._count)

    def __call__(self, info: StepInfo) -> None:
        """Compares the batch with the first one where something was compiled."""
        shapes = _shapes(info.batch)
        self._shapes = self._shapes or shapes
        if self._counts[self._step] > self._steps:
            self._steps = self._counts[self._step]
            changed = [
                f"{name} is {shape}, was {self._shapes.get(name)}"
                for name, shape in shapes.items()
                if shape != self._shapes.get(name)
            ]
            logging.warning(
                "step %d was compiled anew: %s",
                info.step,
                "; ".join(changed) or "no shape of the batch changed",
            )

    def expect(self, programs: int = 1) -> None:
        """Expects the step's function to be another from here on, compiled once for each of so many shapes."""
        self._steps, self._shapes = self._counts[self._step] + programs, {}

    def total(self) -> int:
        """Programs so far."""
        return self._counts.total()

    def of_the_step(self) -> int:
        """Programs so far that are a step."""
        return self._counts[self._step]

    def _count(self, event: str, duration_secs: float, **details: str | int) -> None:
        if event == LOWERED:
            self._counts[str(details.get("fun_name"))] += 1


def _shapes(batch: HostBatch) -> dict[str, str]:
    return {name: f"{rows.dtype}{list(rows.shape)}" for name, rows in batch.items()}


@dataclasses.dataclass
class Profile:
    """A trace of some steps, to be looked at in TensorBoard or Perfetto.

    Attributes:
      first: step that is traced first; 0 = none.
      steps: how many are.
      folder: where traces go.
    """

    first: int
    steps: int
    folder: Path
    every: int = 1
    at_end: bool = False
    _running: bool = False

    def __call__(self, info: StepInfo) -> None:
        """Begins after the step before the first, and ends after the last, when that is done."""
        if self.first and info.step == self.first - 1 and not info.last:
            fetch(info.metrics["loss"])
            jax.profiler.start_trace(str(self.folder))
            self._running = True
        elif self._running and (info.step >= self.first + self.steps - 1 or info.last):
            fetch(info.metrics["loss"])
            jax.profiler.stop_trace()
            self._running = False


class FreezeGarbage:
    """After the first two steps: what is there stays, so that collections look at what is new alone."""

    every, at_end = 1, False

    def __init__(self) -> None:
        self._steps = 0

    def __call__(self, info: StepInfo) -> None:
        """Freezes what is there, once."""
        self._steps += 1
        if self._steps == 2:
            gc.collect()
            gc.freeze()
