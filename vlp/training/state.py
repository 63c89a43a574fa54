"""Everything a step changes, as one pytree."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jaxtyping import Array, Int, PyTree

from vlp.models.variables import merged

Bounds = dict[tuple[Any, ...], tuple[float, float]]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TrainState:
    """Holds what a step changes and a checkpoint saves.

    Attributes:
      step: how many updates have been made; randomness is derived from it, so there is no key to save.
      params: nested dict of the `nnx.Param`s, trained or held.
      rest: nested dict of all other `nnx.Variable`s (prototypes, queues, teachers).
      optimizer: the optax state, of the trained parameters.
      ema: running mean of the trained parameters, or None when it is off.
    """

    step: Int[Array, ""]
    params: PyTree
    rest: PyTree
    optimizer: optax.OptState
    ema: PyTree | None


def split(module: nnx.Module) -> tuple[nnx.GraphDef, PyTree, PyTree]:
    """Returns a module's structure, its parameters and its other state, the latter two as nested dicts of arrays."""
    graphdef, *states = nnx.split(module, nnx.Param, ...)
    params, rest = (nnx.to_pure_dict(state) for state in states)
    return graphdef, params, rest


def parameter_bounds(module: nnx.Module) -> Bounds:
    """Returns the intervals that some parameters are kept in, by path (`bounds` in a parameter's metadata)."""
    flat = nnx.to_flat_state(nnx.state(module, nnx.Param))
    return {path: bounds for path, leaf in flat if (bounds := leaf.get_metadata().get("bounds"))}


def clamp(params: PyTree, bounds: Bounds) -> PyTree:
    """Moves parameters back into their intervals, after an update and outside any gradient."""

    def clip(path: tuple[Any, ...], leaf: Array) -> Array:
        interval = bounds.get(tuple(entry.key for entry in path))
        return leaf if interval is None else jnp.clip(leaf, *interval)

    return jax.tree_util.tree_map_with_path(clip, params)


def divide(params: PyTree, held: Collection[str]) -> tuple[PyTree, PyTree]:
    """Parts parameters into those that are trained and those that are held, both as nested dicts.

    Args:
      params: nested dict.
      held: slash-joined paths; none = all are trained, and come back as they are.
    """
    return (_pick(params, held, False), _pick(params, held, True)) if held else (params, {})


def _pick(tree: PyTree, held: Collection[str], wanted: bool, where: str = "") -> PyTree:
    picked: dict[str, Any] = {}
    for name, value in tree.items():
        path = f"{where}/{name}" if where else str(name)
        if isinstance(value, Mapping):
            branch = _pick(value, held, wanted, path)
            if branch:
                picked[name] = branch
        elif (path in held) is wanted:
            picked[name] = value
    return picked


def create_state(
    params: PyTree,
    rest: PyTree,
    optimizer: optax.GradientTransformation,
    *,
    ema: bool,
    held: Collection[str] = (),
) -> TrainState:
    """Returns the state before the first step.

    Args:
      params: initial parameters.
      rest: initial other state.
      optimizer: whose state is initialised.
      ema: whether to keep a running mean of the parameters, starting from their initial values.
      held: paths of the parameters that no step changes, which have neither moments nor a running mean.
    """
    trained, _ = divide(params, held)
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        rest=rest,
        optimizer=optimizer.init(trained),
        ema=jax.tree.map(jnp.copy, trained) if ema else None,
    )


def to_checkpoint(state: TrainState) -> tuple[PyTree, PyTree]:
    """Returns a state (or its abstract shapes) in two parts: what makes the model, and what only training needs."""
    model = {"params": state.params, "rest": state.rest}
    if state.ema is not None:
        model["ema"] = averaged(state)
    # Empty branches are left out: they hold nothing to save.
    return {name: part for name, part in model.items() if part}, {
        "step": state.step,
        "optimizer": state.optimizer,
    }


def averaged(state: TrainState) -> PyTree:
    """Returns the running mean of all parameters: of those that are held, themselves; the parameters where there is
    none."""
    return state.params if state.ema is None else merged(state.params, state.ema)


def from_checkpoint(model: PyTree, training: PyTree, held: Collection[str] = ()) -> TrainState:
    """Returns the inverse of `to_checkpoint`, for a state of which `held` paths have no running mean."""
    ema = model.get("ema")
    return TrainState(
        step=training["step"],
        params=model["params"],
        rest=model.get("rest", {}),
        optimizer=training["optimizer"],
        ema=None if ema is None else divide(ema, held)[0],
    )
