"""A fresh run that starts from the model of another: fine-tuning, also of an imported one."""

from __future__ import annotations

import dataclasses
import functools
import logging
import math
import operator
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from vlp.checkpoint import find_checkpoint, load_model_arrays
from vlp.training.state import Bounds, TrainState
from vlp.training.switch import can_be_resampled, resampled

ROUNDING = 1e-5  # of a logarithm in float32


def start_from(checkpoint: str, state: TrainState) -> TrainState:
    """A state before the first step, its towers those of a checkpoint: their running mean where it kept one.

    Objectives and the optimiser's state stay as they were initialised. Positions are resampled where images or texts
    have another size than the checkpoint's.

    Args:
      checkpoint: a workdir, its checkpoints, or one step's folder.
      state: the initial state, on its mesh.

    Raises:
      ValueError: there is no intact checkpoint, or its model is another than the config's.
    """
    arrays = load_model_arrays(find_checkpoint(checkpoint))
    model = arrays.get("ema", arrays["params"])["model"]
    params = {**state.params, "model": _placed(model, state.params["model"], checkpoint)}
    rest = dict(state.rest)
    if "model" in rest:
        rest["model"] = _placed(arrays.get("rest", {}).get("model", {}), rest["model"], checkpoint)
    ema = None if state.ema is None else _copied(params, state.ema)
    return dataclasses.replace(state, params=params, rest=rest, ema=ema)


def _copied(params: PyTree, like: PyTree) -> PyTree:
    """Copies of those parameters that another tree has."""
    return {
        name: _copied(params[name], value) if isinstance(value, Mapping) else params[name].copy()
        for name, value in like.items()
    }


def check_bounds(params: PyTree, bounds: Bounds, where: str) -> None:
    """Refuses parameters that the first update would clamp to another value, and the model with them.

    Args:
      params: of the state before the first step.
      bounds: `Training.bounds`, the intervals of learned scales' logarithms.
      where: what to blame.

    Raises:
      ValueError: a scale lies outside its interval.
    """
    for path, (low, high) in bounds.items():
        leaf = functools.reduce(operator.getitem, path, params)
        value = float(jax.device_get(leaf))
        if not low - ROUNDING <= value <= high + ROUNDING:
            name = "/".join(map(str, path))
            setting, limit = ("max", high) if value > high else ("min", low)
            raise ValueError(
                f"{where}: {name} is a scale of {math.exp(value):.6g}, which the first update would cut to its "
                f"{setting} of {math.exp(limit):.6g}: set logit_scale.{setting} to it, or hold it with "
                "logit_scale.learn=False"
            )


def _placed(there: PyTree, here: PyTree, checkpoint: str) -> PyTree:
    """The arrays of the checkpoint where those of the state are."""
    there = _resampled(there, here)
    differences = sorted(_shapes(there).items() ^ _shapes(here).items())
    if differences:
        names = ", ".join(dict.fromkeys(name for name, _ in differences[:8]))
        raise ValueError(
            f"checkpoint.start={checkpoint} holds another model than the config's `model`: they differ in {names}; "
            "start from the config.json beside the checkpoint with --config=WORKDIR/config.json"
        )
    flat = dict(_leaves(there))
    return jax.tree_util.tree_map_with_path(
        lambda path, leaf: jax.device_put(flat[jax.tree_util.keystr(path)].astype(leaf.dtype), leaf.sharding),
        here,
    )


def _resampled(there: PyTree, here: PyTree) -> PyTree:
    """The arrays of the checkpoint with positions for the sizes that the state has."""
    wanted = _shapes(here)

    def leaf(path: tuple[Any, ...], table: Any) -> Any:
        name, shape = jax.tree_util.keystr(path), tuple(table.shape)
        other = wanted.get(name, shape)
        if shape == other or not can_be_resampled(path, shape, other):
            return table
        logging.warning("checkpoint.start: %s is resampled from %d positions to %d", name, shape[0], other[0])
        return np.asarray(resampled(path, table, other))

    return jax.tree_util.tree_map_with_path(leaf, there)


def _leaves(tree: PyTree) -> list[tuple[str, Any]]:
    return [(jax.tree_util.keystr(path), leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(tree)]


def _shapes(tree: PyTree) -> dict[str, tuple[int, ...]]:
    return {path: tuple(leaf.shape) for path, leaf in _leaves(tree)}
