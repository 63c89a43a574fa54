"""A fresh run that starts from the model of another: fine-tuning, also of an imported one."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
from jaxtyping import PyTree

from vlp.checkpoint import find_checkpoint, load_model_arrays
from vlp.training.state import TrainState


def start_from(checkpoint: str, state: TrainState) -> TrainState:
    """A state before the first step, its towers those of a checkpoint: their running mean where it kept one.

    Objectives and the optimiser's state stay as they were initialised.

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
    ema = None if state.ema is None else jax.tree.map(lambda leaf: leaf.copy(), params)
    return dataclasses.replace(state, params=params, rest=rest, ema=ema)


def _placed(there: PyTree, here: PyTree, checkpoint: str) -> PyTree:
    """The arrays of the checkpoint where those of the state are."""
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


def _leaves(tree: PyTree) -> list[tuple[str, Any]]:
    return [(jax.tree_util.keystr(path), leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(tree)]


def _shapes(tree: PyTree) -> dict[str, tuple[int, ...]]:
    return {path: tuple(leaf.shape) for path, leaf in _leaves(tree)}
