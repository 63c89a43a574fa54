"""Everything a step changes, as one pytree."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jaxtyping import Array, Int, PyTree

Bounds = dict[tuple[Any, ...], tuple[float, float]]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TrainState:
    """What a step changes and a checkpoint saves.

    Attributes:
      step: how many updates have been made; randomness is derived from it, so there is no key to save.
      params: nested dict of the `nnx.Param`s.
      rest: nested dict of all other `nnx.Variable`s (prototypes, queues, teachers).
      optimizer: the optax state.
      ema: running mean of the parameters, or None when it is off.
    """

    step: Int[Array, ""]
    params: PyTree
    rest: PyTree
    optimizer: optax.OptState
    ema: PyTree | None


def split(module: nnx.Module) -> tuple[nnx.GraphDef, PyTree, PyTree]:
    """A module's structure, its parameters and its other state, the latter two as nested dicts of arrays."""
    graphdef, *states = nnx.split(module, nnx.Param, ...)
    params, rest = (nnx.to_pure_dict(state) for state in states)
    return graphdef, params, rest


def parameter_bounds(module: nnx.Module) -> Bounds:
    """The intervals that some parameters are kept in, by path (`bounds` in a parameter's metadata)."""
    flat = nnx.to_flat_state(nnx.state(module, nnx.Param))
    return {path: bounds for path, leaf in flat if (bounds := leaf.get_metadata().get("bounds"))}


def clamp(params: PyTree, bounds: Bounds) -> PyTree:
    """Moves parameters back into their intervals, after an update and outside any gradient."""

    def clip(path: tuple[Any, ...], leaf: Array) -> Array:
        interval = bounds.get(tuple(entry.key for entry in path))
        return leaf if interval is None else jnp.clip(leaf, *interval)

    return jax.tree_util.tree_map_with_path(clip, params)


def create_state(
    params: PyTree, rest: PyTree, optimizer: optax.GradientTransformation, *, ema: bool
) -> TrainState:
    """The state before the first step.

    Args:
      params: initial parameters.
      rest: initial other state.
      optimizer: whose state is initialised.
      ema: whether to keep a running mean of the parameters, starting from their initial values.
    """
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        rest=rest,
        optimizer=optimizer.init(params),
        ema=jax.tree.map(jnp.copy, params) if ema else None,
    )


def to_checkpoint(state: TrainState) -> tuple[PyTree, PyTree]:
    """A state (or its abstract shapes) in two parts: what makes the model, and what only training needs."""
    model = {"params": state.params, "rest": state.rest}
    if state.ema is not None:
        model["ema"] = state.ema
    # Empty branches are left out: they hold nothing to save.
    return {name: part for name, part in model.items() if part}, {
        "step": state.step,
        "optimizer": state.optimizer,
    }


def from_checkpoint(model: PyTree, training: PyTree) -> TrainState:
    """The inverse of `to_checkpoint`."""
    return TrainState(
        step=training["step"],
        params=model["params"],
        rest=model.get("rest", {}),
        optimizer=training["optimizer"],
        ema=model.get("ema"),
    )
