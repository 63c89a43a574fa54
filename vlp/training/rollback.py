"""After a loss spike: back to a checkpoint from well before it, and on with the data that come after it."""

from __future__ import annotations

import dataclasses
import logging
import math
import statistics
from collections.abc import Callable, Mapping
from typing import Any

import jax

from vlp.configuration import ConfigError
from vlp.parallel.sharding import fetch
from vlp.training.loop import StepInfo
from vlp.training.optimizer import is_schedule
from vlp.training.state import TrainState


@dataclasses.dataclass
class Rollback:
    """Watches the loss one step behind the loop, and replaces a state that went wrong by the last good checkpoint's.

    A spike is a finite loss of more than `factor` times the median of the `window` finite losses before it. A good
    checkpoint is one that was saved in turn, `window` or more steps before the spike, and not on a stretch that was
    given up before: PaLM went back about 100 steps and skipped the batches seen since (arXiv 2204.02311, section 5.1).
    The step goes on, so that the stretch's data are skipped. Without a good checkpoint the run goes on as it is.

    Attributes:
      factor: times the median.
      window: in steps.
      most: rollbacks of the whole run that are still borne.
      save_every: steps between the checkpoints that are saved in turn.
      restore: the state of the checkpoint of a step, on its mesh.
      losses: the last `window` finite ones, less those of spikes that were undone.
      good: steps of the checkpoints that may still be needed, oldest first.
      skipped: first and last global batch of each stretch that was given up, over all restarts.
    """

    factor: float
    window: int
    most: int
    save_every: int
    restore: Callable[[int], TrainState]
    losses: list[float] = dataclasses.field(default_factory=list)
    good: list[int] = dataclasses.field(default_factory=list)
    skipped: list[tuple[int, int]] = dataclasses.field(default_factory=list)
    every: int = 1
    at_end: bool = False
    _unread: list[Any] = dataclasses.field(default_factory=list)

    def __call__(self, info: StepInfo) -> None:
        """Judges the loss that the loop has waited for already.

        Raises:
          ConfigError: a spike after too many rollbacks.
        """
        unread, self._unread = self._unread, [info.metrics["loss"]]
        for loss in filter(math.isfinite, fetch(unread)):
            # A checkpoint in between keeps the loss and leaves the judgement to this place: a run that is interrupted
            # goes back at the same step as one that is not.
            earlier = [step for step in self.good if step <= info.step - 1 - self.window]
            if not self._is_spike(loss):
                self.losses = [*self.losses, loss][-self.window :]
            elif earlier:
                self._go_back(info, earlier[-1], loss)
            else:
                self.losses = [*self.losses, loss][-self.window :]
                logging.warning(
                    "step %d: loss %g is a spike, and no checkpoint is %d steps older: the run goes on",
                    *(info.step - 1, loss, self.window),
                )
        if info.step % self.save_every == 0:
            old = [step for step in self.good if step <= info.step - self.window]
            self.good = [*old[-1:], *self.good[len(old) :], info.step]

    def _is_spike(self, loss: float) -> bool:
        if len(self.losses) < self.window:
            return False
        return 0.0 < self.factor * statistics.median(self.losses) < loss

    def _go_back(self, info: StepInfo, step: int, loss: float) -> None:
        usual = statistics.median(self.losses)
        if len(self.skipped) >= self.most:
            raise ConfigError(
                f"step {info.step - 1}: loss {loss:g} is more than rollback.factor={self.factor:g} times the usual "
                f"{usual:g}, after {len(self.skipped)} rollbacks, and no more than rollback.most={self.most} are "
                "allowed: go on with a lower learning rate or clip_norm and a higher rollback.most "
                "(--allow_config_change=optimizer,rollback)"
            )
        info.state = set_back(info.state, lambda: self.restore(step))
        self.skipped.append((step, info.step - 1))
        self.good = [one for one in self.good if one <= step]
        self._unread = []  # this step's loss is the undone state's
        logging.warning(
            "step %d: loss %g is a spike, %.3g times the usual %g. Step %d goes on from the checkpoint of step %d "
            "(rollback %d of at most %d); global batches %d to %d are left behind",
            *(info.step - 1, loss, loss / usual, usual, info.step + 1, step),
            *(len(self.skipped), self.most, *self.skipped[-1]),
        )

    def forget(self) -> None:
        """Forgets the losses so far: they say nothing of those to come, where a stage begins with images of another
        size."""
        self.losses, self._unread = [], []

    @property
    def undone(self) -> int:
        """Returns how many updates were given up."""
        return sum(last - first for first, last in self.skipped)

    def metrics(self) -> dict[str, float]:
        """Returns what goes into metrics.jsonl: rollbacks so far, this step's among them."""
        return {"rollbacks": len(self.skipped)}

    def to_dict(self) -> dict[str, Any]:
        """Returns what a checkpoint remembers."""
        self._unread = [loss for loss in fetch(self._unread) if math.isfinite(loss)]
        return {
            "losses": self.losses,
            "unread": self._unread,
            "good": self.good,
            "skipped": self.skipped,
        }

    def load(self, saved: Mapping[str, Any]) -> None:
        """Goes on from a checkpoint."""
        self.losses, self._unread, self.good = (
            list(saved["losses"]),
            list(saved["unread"]),
            list(saved["good"]),
        )
        self.skipped = [(first, last) for first, last in saved["skipped"]]


def set_back(state: TrainState, restore: Callable[[], TrainState]) -> TrainState:
    """Returns an earlier state at the later one's step: everything is the earlier one's but the place in the schedules.

    The later state's arrays are freed first, for devices that have no room for two.

    Args:
      state: the later one, which is lost.
      restore: gives the earlier one.
    """
    nodes, structure = jax.tree.flatten(state.optimizer, is_leaf=is_schedule)
    lost = (state.params, state.rest, state.ema, [node for node in nodes if not is_schedule(node)])
    for leaf in jax.tree.leaves(lost):
        leaf.delete()
    earlier = restore()
    kept = [
        here if is_schedule(here) else there
        for here, there in zip(nodes, jax.tree.leaves(earlier.optimizer, is_leaf=is_schedule), strict=True)
    ]
    return dataclasses.replace(earlier, step=state.step, optimizer=jax.tree.unflatten(structure, kept))
