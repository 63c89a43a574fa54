"""Steps whose loss or gradient was not finite: counted, named, and too many in a row are the end."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from typing import Any

from vlp.configuration import ConfigError
from vlp.parallel.sharding import fetch
from vlp.training.loop import StepInfo
from vlp.training.step import Metrics


@dataclasses.dataclass
class Faults:
    """Watches for skipped updates, one step behind the loop so that it never waits for the device.

    Attributes:
      most: skipped updates in a row that are still borne.
      skipped: updates skipped so far, over all restarts.
      in_a_row: of those, the latest without a good one between.
    """

    most: int
    skipped: int = 0
    in_a_row: int = 0
    every: int = 1
    at_end: bool = False
    _unread: list[tuple[int, Metrics]] = dataclasses.field(default_factory=list)

    def __call__(self, info: StepInfo) -> None:
        """Reads what the loop has waited for already.

        Raises:
          ConfigError: too many updates in a row were skipped.
        """
        watched = {name: info.metrics[name] for name in ("skipped", "loss", "gradient_norm")}
        self._read()
        self._unread.append((info.step, watched))

    def metrics(self) -> dict[str, float]:
        """Returns what goes into metrics.jsonl: updates skipped so far, this step's among them."""
        self._read()
        return {"skipped": self.skipped}

    def to_dict(self) -> dict[str, Any]:
        """Returns what a checkpoint remembers."""
        self._read()
        return {"skipped": self.skipped, "in_a_row": self.in_a_row}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Goes on counting from a checkpoint."""
        self.skipped, self.in_a_row = saved["skipped"], saved["in_a_row"]

    def _read(self) -> None:
        unread, self._unread = self._unread, []
        for step, metrics in unread:
            values = fetch(metrics)
            self.in_a_row = self.in_a_row + 1 if values["skipped"] else 0
            if values["skipped"]:
                self.skipped += 1
                logging.warning(
                    "step %d changed nothing: loss %g, gradient norm %g. --job=replay --step=%d looks into it",
                    *(step, values["loss"], values["gradient_norm"], step),
                )
            if self.in_a_row > self.most:
                raise ConfigError(
                    f"{self.in_a_row} steps in a row up to step {step} had a loss or gradient that is not finite, "
                    f"more than max_skipped={self.most}: go back to an earlier checkpoint with a lower learning "
                    f"rate, or see what --job=replay --step={step} says of its layers"
                )
