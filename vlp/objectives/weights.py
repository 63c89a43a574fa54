"""Weights of objectives over a run: constant, growing at first, or there for a part of it alone."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


@dataclasses.dataclass(frozen=True)
class Weight:
    """The weight of an objective by the updates made before.

    Attributes:
      whole: what it is where no schedule says less.
      begin: updates before which it is 0.
      warmup: updates in which it grows from there, in a straight line.
      end: updates from which on it is 0 again.
    """

    whole: float
    begin: int
    warmup: int
    end: int

    @classmethod
    def of(cls, settings: Any, steps: int) -> Weight:
        """Reads an objective's `weight` and `schedule`; what is older than schedules has none.

        Args:
          settings: of the objective.
          steps: updates of the run.
        """
        schedule = settings.get("schedule", {"begin": 0.0, "warmup": 0, "end": 1.0})
        begin, end = (round(schedule[name] * steps) for name in ("begin", "end"))
        return cls(settings.weight, begin, schedule["warmup"], end if schedule["end"] < 1 else -1)

    @property
    def constant(self) -> bool:
        """Tells whether it is the same at every step."""
        return not self.begin and not self.warmup and self.end < 0

    def there(self, step: Int[Array, ""]) -> Bool[Array, ""]:
        """Tells whether the update after `step` others is one that it has a say in."""
        return (step >= self.begin) & ((step < self.end) | (self.end < 0))

    def covers(self, before: int) -> bool:
        """Tells the same of a number of updates that is known."""
        return self.begin <= before and (self.end < 0 or before < self.end)

    def share(self, steps: int) -> float:
        """Returns the share of a run's updates that it has a say in."""
        return ((steps if self.end < 0 else self.end) - self.begin) / steps

    def at(self, step: Int[Array, ""]) -> Float[Array, ""]:
        """Returns the weight of the update after `step` others."""
        grown = jnp.clip((step - self.begin) / self.warmup, 0.0, 1.0) if self.warmup else 1.0
        return jnp.where(self.there(step), jnp.float32(self.whole) * grown, 0.0)
