"""AdamW, LAMB, Adafactor, Muon or SGD from optax's parts, with decay, rate multipliers and freezing by path rules."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax
from optax.contrib import MuonDimensionNumbers, scale_by_muon

from input_pipeline.errors import UserError
from vlp.parallel.sharding import STACKED
from vlp.path_rules import match_paths, tree_paths
from vlp.training.schedules import make_schedule


def make_optimizer(
    config: Any, steps: int, params: Any
) -> tuple[optax.GradientTransformation, optax.Schedule]:
    """Clips by the global norm, scales by moments, and decays apart from them (AdamW, Loshchilov and Hutter 2019).

    A parameter with learning-rate multiplier m and decay multiplier d moves by
    `-lr(n) * m * (scaled(gradient) + weight_decay * d * parameter)`, `scaled` being one of SCALINGS; LAMB gives the sum
    the parameter's length (`ADAPTED`). Multiplier
    m = 0 freezes it: a zero update, no decay, no moments, no part in the global norm. The step does not even ask for
    its gradient (`held_paths`).

    Args:
        config: the `optimizer` branch of the configuration.
        steps: number of updates of the run.
        params: nested dict of float32 arrays or ShapeDtypeStructs; only paths and structure are used.

    Returns:
        The transformation, whose `update` needs the parameters, of which it may be given all or those that are trained;
        and the schedule (learning rate by step).

    Raises:
        ValueError: an unknown name, a value out of range, or a rule that matches nothing.
    """
    _validate(config)
    schedule = make_schedule(config.schedule, config.learning_rate, steps)
    paths = tree_paths(params)
    rates = _rates(config, paths)
    multipliers = match_paths(
        config.weight_decay_rules,
        paths,
        default=1.0,
        convert=_multiplier,
        name="optimizer.weight_decay_rules",
    )
    decays = {path: config.weight_decay * m for path, m in zip(paths, multipliers, strict=True)}
    parts = [
        optax.clip_by_global_norm(config.clip_norm) if config.clip_norm else optax.identity(),
        SCALINGS[config.name](config, params),
        *(optax.add_decayed_weights(decay, mask) for decay, mask in _groups(decays) if decay),
        *([_trust_ratios(params)] if config.name in ADAPTED else []),
        *(_scaled(rate, schedule, config, mask) for rate, mask in _groups(rates) if rate != Rate()),
        optax.scale_by_learning_rate(schedule),
    ]
    labels = _by_path({path: "trained" if rate.multiplier else "frozen" for path, rate in rates.items()})
    return optax.partition({"trained": optax.chain(*parts), "frozen": optax.set_to_zero()}, labels), schedule


def held_paths(config: Any, params: Any) -> frozenset[str]:
    """Finds the parameters that no step changes: those whose learning-rate multiplier is 0.

    Args:
        config: the `optimizer` branch of the configuration.
        params: as in `make_optimizer`.

    Returns:
        Their slash-joined paths.

    Raises:
        ValueError: nothing is left to train, or a rule cannot be read.
    """
    rates = _rates(config, tree_paths(params))
    held = frozenset(path for path, rate in rates.items() if not rate.multiplier)
    if len(held) == len(rates):
        raise UserError(
            f"optimizer.learning_rate_rules='{config.learning_rate_rules}' freezes every parameter: leave one to train"
        )
    return held


def _rates(config: Any, paths: Sequence[str]) -> dict[str, Rate]:
    rates = match_paths(
        config.learning_rate_rules,
        paths,
        default=Rate(),
        convert=_rate,
        name="optimizer.learning_rate_rules",
    )
    return dict(zip(paths, rates, strict=True))


def _by_path(values: Mapping[str, Any]) -> Callable[[Any], Any]:
    """What makes a tree of the values of any tree's leaves, be it of all parameters or of some."""

    def tree(params: Any) -> Any:
        return jax.tree.unflatten(jax.tree.structure(params), [values[path] for path in tree_paths(params)])

    return tree


def updates_made(state: optax.OptState) -> jax.Array:
    """Reads how many updates the schedule of `make_optimizer` has counted: int32, without those that were skipped.

    The learning rate follows this number. Moments have counts of their own, which a rollback sets back with them.
    """
    nodes = jax.tree.leaves(state, is_leaf=is_schedule)
    return next(node.count for node in nodes if is_schedule(node))


def is_schedule(node: Any) -> bool:
    """Tells whether a part of an optimiser's state counts updates for a schedule."""
    return isinstance(node, optax.ScaleByScheduleState)


def _adam(config: Any, _: Any) -> optax.GradientTransformation:
    return optax.scale_by_adam(config.b1, config.b2, config.eps, mu_dtype=jnp.dtype(config.momentum_dtype))


def _adafactor(config: Any, _: Any) -> optax.GradientTransformation:
    """Second moments as rows and columns (arXiv 1804.04235), remembered no longer than b2 says, beside a momentum.

    As in "Scaling Vision Transformers" (2106.04560, section 3.4): updates are not multiplied by the parameters' size.
    Matrices with a side below 128 keep whole second moments; a stack of blocks is clipped as one.
    """
    return optax.chain(
        optax.scale_by_factored_rms(
            decay_rate_fn=lambda step, exponent: jnp.minimum(config.b2, 1.0 - (step + 1.0) ** -exponent)
        ),
        optax.clip_by_block_rms(1.0),
        optax.ema(config.b1, accumulator_dtype=jnp.dtype(config.momentum_dtype)),
    )


# What Muon is for: the matrices between hidden layers. Embeddings, heads, tables of classes and vectors get Adam.
HIDDEN_MATRIX = re.compile(r"(blocks|attention_pool)/.*kernel$")


def _muon(config: Any, params: Any) -> optax.GradientTransformation:
    """Orthogonalised momentum for hidden matrices (Jordan 2024), as large as Adam's updates are (2502.16982, eq. 4).

    The fused projection to queries, keys and values counts as one matrix.
    """

    def sides(updates: Any) -> Any:
        return jax.tree.map(lambda x: MuonDimensionNumbers(x.ndim - 2, x.ndim - 1), updates)

    orthogonal = optax.chain(
        scale_by_muon(
            beta=config.b1, mu_dtype=jnp.dtype(config.momentum_dtype), weight_dimension_numbers=sides
        ),
        optax.stateless_with_tree_map(lambda update, _: 0.2 * math.sqrt(max(update.shape[-2:])) * update),
    )
    labels = _by_path({path: "muon" if HIDDEN_MATRIX.search(path) else "adam" for path in tree_paths(params)})
    return optax.partition({"muon": orthogonal, "adam": _adam(config, params)}, labels)


def _sgd(config: Any, _: Any) -> optax.GradientTransformation:
    """Momentum as PyTorch has it, v = b1 v + g (Sutskever et al. 2013 without the rate within v); b1 = 0 has none."""
    if not config.b1:
        return optax.identity()
    dtype = jnp.dtype(config.momentum_dtype)
    return optax.trace(config.b1, nesterov=config.get("nesterov", False), accumulator_dtype=dtype)


def _trust_ratios(params: Any) -> optax.GradientTransformation:
    """Gives each layer's update the length of its parameters (LAMB, arXiv 1904.00962, algorithm 2).

    Of a stack of blocks every block is a layer of its own.
    """
    labels = _by_path({path: "stack" if STACKED.search(path) else "one" for path in tree_paths(params)})
    one = optax.scale_by_trust_ratio()

    def each(updates: Any, state: Any, params: Any) -> tuple[Any, Any]:
        def layer(own: Any, values: Any) -> Any:
            return one.update(own, state, values)[0]

        # Where no stack is trained there is nothing to map over.
        return jax.vmap(layer)(updates, params) if jax.tree.leaves(updates) else updates, state

    return optax.partition({"stack": optax.GradientTransformation(one.init, each), "one": one}, labels)


# (optimizer branch of the config, parameters) -> what makes of gradients steps of about length 1 a number.
SCALINGS: dict[str, Callable[[Any, Any], optax.GradientTransformation]] = {
    "adamw": _adam,
    "adafactor": _adafactor,
    "muon": _muon,
    "lamb": _adam,
    "sgd": _sgd,
}
ADAPTED = ("lamb",)  # of which a layer's update, decay and all, is as long as its parameters


@dataclasses.dataclass(frozen=True, order=True)
class Rate:
    """A parameter's learning rate relative to the schedule's, and the step by which its own schedule ends, if earlier.

    From that step on it is frozen: the final phase of ProtoCLIP, and any LiT (arXiv 2111.07991) after pretraining.
    """

    multiplier: float = 1.0
    until: int = 0


def _rate(text: str) -> Rate:
    """'0.1' or '1 until 9000'."""
    multiplier, word, step = text.partition(" until ")
    if word and not step.strip().isdecimal():
        raise UserError(f"the step after 'until' must be a whole number, not {step}")
    return Rate(_multiplier(multiplier), int(step) if word else 0)


def _scaled(rate: Rate, schedule: optax.Schedule, config: Any, mask: Any) -> optax.GradientTransformation:
    """Scales the masked updates by what the rate makes of the schedule."""
    if not rate.until:
        return optax.masked(optax.scale(rate.multiplier), mask)
    own = make_schedule(config.schedule, config.learning_rate, rate.until)

    def relative(step: Any) -> Any:
        whole = schedule(step)
        share = jnp.where(whole > 0, own(step) / jnp.where(whole > 0, whole, 1.0), 1.0)
        return rate.multiplier * jnp.where(step < rate.until, share, 0.0)

    return optax.masked(optax.scale_by_schedule(relative), mask)


def _multiplier(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and value >= 0.0):
        raise UserError(f"a multiplier must be finite and >= 0, not {text}")
    return value


def _groups(values: Mapping[str, Any]) -> Iterator[tuple[Any, Callable[[Any], Any]]]:
    """Each distinct value with the mask of the parameters that have it (optax masks are yes or no)."""
    for value in sorted(set(values.values())):
        yield value, _by_path({path: value == other for path, other in values.items()})


def _validate(config: Any) -> None:
    if config.name not in SCALINGS:
        raise UserError(f"optimizer.name={config.name!r} is unknown; choose one of {', '.join(SCALINGS)}")
    for field in ("learning_rate", "weight_decay", "clip_norm"):
        if not (math.isfinite(config[field]) and config[field] >= 0.0):
            raise UserError(f"optimizer.{field}={config[field]} must be finite and >= 0")
    for field in ("b1", "b2"):
        if not 0.0 <= config[field] < 1.0:
            raise UserError(f"optimizer.{field}={config[field]} must lie in [0, 1)")
