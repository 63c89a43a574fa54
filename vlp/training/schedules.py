"""Learning-rate schedules by configuration: warm-up, then a cosine, 1/sqrt or constant, then cool-down.

`schedule(n)` is the learning rate of the update that takes the state from step n to n + 1. Warm-up is
linear from 0 at n = 0 to the peak at n = warmup_steps; `final * peak` is reached at n = steps.
"""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import optax

from input_pipeline.errors import UserError

NAMES = ("cosine", "reciprocal_sqrt", "constant")


def make_schedule(config: Any, peak: float, steps: int) -> optax.Schedule:
    """Builds the schedule of `optimizer.schedule`.

    Args:
        config: name, warmup_steps, cooldown_steps and final (the last value as a fraction of the peak;
            `reciprocal_sqrt` and `constant` fall to it in a straight line over the last
            cooldown_steps, and ignore it without a cool-down).
        peak: learning rate at the end of the warm-up.
        steps: number of updates of the run.

    Raises:
        ValueError: an unknown name, or lengths that do not fit the run.
    """
    _validate(config, steps)
    warmup, cooldown = int(config.warmup_steps), int(config.cooldown_steps)
    schedule = _main_part(config, peak, steps)
    if warmup:
        schedule = optax.join_schedules([optax.linear_schedule(0.0, peak, warmup), schedule], [warmup])
    if cooldown:
        start = math.sqrt(warmup / (steps - cooldown)) if config.name == "reciprocal_sqrt" else 1.0
        falling = optax.linear_schedule(start * peak, config.final * peak, cooldown)
        schedule = optax.join_schedules([schedule, falling], [steps - cooldown])
    return schedule


def _main_part(config: Any, peak: float, steps: int) -> optax.Schedule:
    """The schedule between warm-up and cool-down; its own count starts after the warm-up."""
    if config.name == "cosine":
        return optax.cosine_decay_schedule(peak, max(steps - config.warmup_steps, 1), alpha=config.final)
    if config.name == "reciprocal_sqrt":
        return _reciprocal_sqrt(peak, timescale=config.warmup_steps)
    return optax.constant_schedule(peak)


def _reciprocal_sqrt(peak: float, timescale: int) -> optax.Schedule:
    """peak * sqrt(timescale / n) for n >= timescale, n counted from the start of the run.

    With the warm-up as time scale it meets the warm-up at the peak (T5, Raffel et al. 2020, section 3.1.2).
    """
    # The clamp keeps the branch that join_schedules computes and discards during the warm-up finite.
    return lambda count: peak * jnp.sqrt(timescale / (timescale + jnp.maximum(count, 0)))


def _validate(config: Any, steps: int) -> None:
    name, warmup, cooldown = config.name, config.warmup_steps, config.cooldown_steps
    where = "optimizer.schedule"
    if name not in NAMES:
        raise UserError(f"{where}.name={name!r} is unknown; choose one of {', '.join(NAMES)}")
    if warmup < 0 or cooldown < 0 or warmup + cooldown > steps:
        raise UserError(
            f"{where}: warmup_steps={warmup} and cooldown_steps={cooldown} must be >= 0 "
            f"and fit into steps={steps} together"
        )
    if not 0.0 <= config.final <= 1.0:
        raise UserError(f"{where}.final={config.final} must lie in [0, 1]: it is a fraction of the peak")
    if name == "cosine" and cooldown:
        raise UserError(
            f"{where}.cooldown_steps={cooldown} has no meaning for 'cosine', which decays anyway; set 0"
        )
    if name == "reciprocal_sqrt" and not warmup:
        raise UserError(f"{where}: 'reciprocal_sqrt' needs warmup_steps > 0, its time scale")
