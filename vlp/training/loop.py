"""The loop: a generator of steps, and hooks with periods that the loop knows nothing about."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import PyTree, Shaped

from vlp.configuration import ConfigError
from vlp.parallel.sharding import global_batch
from vlp.training.state import TrainState
from vlp.training.step import Metrics, TrainStep
from vlp.training.throughput import StepTimer

HostBatch = dict[str, Shaped[np.ndarray, "local ..."]]


@dataclasses.dataclass
class StepInfo:
    """Holds what a hook sees after a step.

    Attributes:
      step: number of updates made so far.
      state: after the update; given up to the next step, so a hook must not keep it, but may put another in its place.
      metrics: device scalars; reading one waits for the step.
      batch: this host's rows of the batch just used.
      last: whether the run ends here.
    """

    step: int
    state: TrainState
    metrics: Metrics
    batch: HostBatch
    last: bool


class Hook(Protocol):
    """A side effect with a period in steps; 0 is never, except that `at_end` hooks also run after the last step."""

    every: int
    at_end: bool

    def __call__(self, info: StepInfo) -> None:
        """Acts on the step just made."""


def training_steps(
    train_step: TrainStep,
    state: TrainState,
    batches: Iterator[HostBatch],
    *,
    start: int,
    steps: int,
    mesh: Mesh,
    fields: tuple[str, ...],
    timer: StepTimer,
    beside: Mapping[str, PyTree] = types.MappingProxyType({}),
    limits: Mapping[str, tuple[str, int]] = types.MappingProxyType({}),
    until: int | None = None,
    stop_requested: Callable[[int], bool] = lambda step: False,
) -> Iterator[StepInfo]:
    """Makes the updates start + 1 ... until, yielding after each.

    Args:
      train_step: jitted; its first argument is donated.
      state: after `start` updates.
      batches: this host's part of global batches start, start + 1, ...
      start: updates already made.
      steps: updates of the whole run.
      mesh: where batches go.
      fields: batch fields the step reads; the others stay on the host.
      timer: counts where the time goes.
      beside: what stands in every batch and is on the devices already; see `vlp.given`.
      limits: `Training.limits`.
      until: updates after which this loop ends, though not the run; None = steps.
      stop_requested: asked after every step with its number; true ends the loop early, in all processes at once.

    Raises:
      ConfigError: a batch holds a number of a class that is none, before a step is made with it.
    """
    previous = None
    for step in range(start + 1, (steps if until is None else until) + 1):
        with timer.data():
            batch = next(batches)
            check_numbers(batch, limits)
        rows = global_batch({name: batch[name] for name in fields}, mesh)
        state, metrics = train_step(state, {**rows, **beside})
        with timer.compute():
            # Two steps in flight hide the host from the device; more would only hold memory and delay signals.
            jax.block_until_ready(previous)
        previous = metrics
        timer.step(step - 1)
        last = stop_requested(step) or step == steps
        info = StepInfo(step, state, metrics, batch, last)
        yield info
        state = info.state
        if last:
            return


def check_numbers(batch: HostBatch, limits: Mapping[str, tuple[str, int]]) -> None:
    """Refuses numbers of classes that an objective has no class for: it would learn from the rest in silence.

    Raises:
      ConfigError: one is negative and not -1, which stands for none, or not below the number of classes.
    """
    for field, (setting, limit) in limits.items():
        low, high = batch[field].min(), batch[field].max()
        if low < -1 or high >= limit:
            raise ConfigError(
                f"{field} holds {high if high >= limit else low}, and {setting}={limit} has classes 0 to {limit - 1} "
                f"(-1 = none): set {setting} to one more than the largest, or give the table that "
                f"belongs to it as data.tables.{field}"
            )


def run_hooks(hooks: Iterable[Hook], info: StepInfo) -> None:
    """Calls the hooks whose period divides the step, and at the end those that ask for it, in the given order."""
    for hook in hooks:
        if (hook.every and info.step % hook.every == 0) or (info.last and hook.at_end):
            hook(info)
