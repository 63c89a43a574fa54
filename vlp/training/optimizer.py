"""AdamW from optax's parts, with weight decay, learning-rate multipliers and freezing by path rules."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import optax

from vlp.training.path_rules import match_tree
from vlp.training.schedules import make_schedule


def make_optimizer(
    config: Any, steps: int, params: Any
) -> tuple[optax.GradientTransformation, optax.Schedule]:
    """Clip by the global norm, then AdamW (Loshchilov and Hutter 2019, decay decoupled from the moments).

    A parameter with learning-rate multiplier m and decay multiplier d moves by
    `-lr(n) * m * (adam(gradient) + weight_decay * d * parameter)`. Multiplier m = 0 freezes it:
    a zero update, no decay, no moments, no part in the global norm.

    Args:
        config: the `optimizer` branch of the configuration.
        steps: number of updates of the run.
        params: nested dict of float32 arrays or ShapeDtypeStructs; only paths and structure are used.

    Returns:
        The transformation, whose `update` needs the parameters, and the schedule (learning rate by step).

    Raises:
        ValueError: an unknown name, a value out of range, or a rule that matches nothing.
    """
    _validate(config)
    schedule = make_schedule(config.schedule, config.learning_rate, steps)
    rates = learning_rate_multipliers(config, params)
    decays = jax.tree.map(
        lambda m: config.weight_decay * m, _multipliers(config, "weight_decay_rules", params)
    )
    parts = [
        optax.clip_by_global_norm(config.clip_norm) if config.clip_norm else optax.identity(),
        optax.scale_by_adam(config.b1, config.b2, config.eps, mu_dtype=jnp.float32),
        *(optax.add_decayed_weights(decay, mask) for decay, mask in _groups(decays) if decay),
        *(optax.masked(optax.scale(m), mask) for m, mask in _groups(rates) if m not in (0.0, 1.0)),
        optax.scale_by_learning_rate(schedule),
    ]
    labels = jax.tree.map(lambda m: "trained" if m else "frozen", rates)
    return optax.partition({"trained": optax.chain(*parts), "frozen": optax.set_to_zero()}, labels), schedule


def learning_rate_multipliers(config: Any, params: Any) -> Any:
    """The learning-rate multiplier of every parameter, nested like `params`; 0.0 means frozen."""
    return _multipliers(config, "learning_rate_rules", params)


def _multipliers(config: Any, field: str, params: Any) -> Any:
    return match_tree(config[field], params, default=1.0, convert=_multiplier, name=f"optimizer.{field}")


def _multiplier(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and value >= 0.0):
        raise ValueError(f"a multiplier must be finite and >= 0, not {text}")
    return value


def _groups(values: Any) -> Iterator[tuple[float, Any]]:
    """Each distinct value with the mask of the parameters that have it (optax masks are yes or no)."""
    for value in sorted(set(jax.tree.leaves(values))):
        yield value, jax.tree.map(functools.partial(operator.eq, value), values)


def _validate(config: Any) -> None:
    if config.name != "adamw":
        raise ValueError(f"optimizer.name={config.name!r} is unknown; choose 'adamw'")
    for field in ("learning_rate", "weight_decay", "clip_norm"):
        if not (math.isfinite(config[field]) and config[field] >= 0.0):
            raise ValueError(f"optimizer.{field}={config[field]} must be finite and >= 0")
    for field in ("b1", "b2"):
        if not 0.0 <= config[field] < 1.0:
            raise ValueError(f"optimizer.{field}={config[field]} must lie in [0, 1)")
