"""A fresh run that starts from what others have trained: a whole model, or towers from different checkpoints."""

from __future__ import annotations

import dataclasses
import functools
import logging
import math
import operator
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from input_pipeline.errors import UserError
from vlp.checkpoint import find_checkpoint, load_model_arrays
from vlp.path_rules import tree_paths
from vlp.training.state import Bounds, TrainState
from vlp.training.switch import can_be_resampled, resampled

ROUNDING = 1e-5  # of a logarithm in float32
TOWER = re.compile(r"^model/(image|text)(_projection)?/")
ORIGINS = ("start", "start_image", "start_text")  # settings that name a checkpoint

Covers = Callable[[str], bool]  # whether a checkpoint is asked for the array of a path


def start_from(settings: Mapping[str, str], state: TrainState, *, parts: Collection[str] = ()) -> TrainState:
    """Puts trained arrays into a state before its first step: their running mean where a checkpoint kept one.

    The rest of the objectives and the optimiser's state stay as they were initialised. Positions are resampled where
    images or texts have another size than the checkpoint's. A tower that the state does not have is not asked for.

    Args:
      settings: `checkpoint` of the config: workdirs, checkpoints or a step's folder as `start` (the whole model, and
        the parts of objectives that it has), `start_image` and `start_text` (a tower and its projection, ahead of
        `start`); and `start_new`, a regular expression of the paths that need not be there, or may have another shape.
      state: the initial state, on its mesh.
      parts: paths of what objectives want to outlive training, as 'objectives/<entry>/<part>'.

    Raises:
      ValueError: there is no intact checkpoint, or its model is another than the config's.
    """
    here = {"params": state.params, "rest": state.rest}
    for setting in ORIGINS:
        if settings[setting]:
            origin = f"checkpoint.{setting}={settings[setting]}"
            arrays = load_model_arrays(find_checkpoint(settings[setting]))
            there = {"params": arrays.get("ema", arrays["params"]), "rest": arrays.get("rest", {})}
            covers = _covers(setting, settings, parts)
            here = {
                kind: _placed(there[kind], tree, covers, settings["start_new"], origin)
                for kind, tree in here.items()
            }
    ema = None if state.ema is None else _copied(here["params"], state.ema)
    return dataclasses.replace(state, params=here["params"], rest=here["rest"], ema=ema)


def _covers(setting: str, settings: Mapping[str, str], parts: Collection[str]) -> Covers:
    """What the checkpoint of a setting is asked for."""

    def covers(path: str) -> bool:
        tower = TOWER.match(path)
        own = f"start_{tower[1]}" if tower else ""
        if setting != "start":
            return own == setting
        mine = path.startswith("model/") or any(path.startswith(f"{part}/") for part in parts)
        return mine and not settings.get(own, "")

    return covers


def _placed(there: PyTree, here: PyTree, covers: Covers, new: str, origin: str) -> PyTree:
    """The arrays of the checkpoint where those of the state are."""
    wanted = {name: leaf for name, leaf in _named(here).items() if covers(name)}
    found = {name: leaf for name, leaf in _named(there).items() if covers(name) and _known(name, wanted)}
    for path, array in jax.tree_util.tree_leaves_with_path(here):
        name = _joined(path)
        if name in wanted and name in found:
            found[name] = _resampled(path, found[name], array.shape)
    differences = {name for name, _ in _shapes(found).items() ^ _shapes(wanted).items()}
    entries = {_entry(name) for name in found}
    fresh = {name for name in differences if name in wanted and _may_be_new(name, entries, new)}
    refused = sorted(differences - fresh)
    if refused:
        raise UserError(
            f"{origin} holds another model than the config's `model`: they differ in {', '.join(refused[:8])}; start "
            "from the config.json beside the checkpoint with --config=WORKDIR/config.json, or say with "
            "checkpoint.start_new='REGEX' what may be new"
        )
    if fresh:
        logging.warning("%s: %d arrays are new, such as %s", origin, len(fresh), min(fresh))

    def leaf(path: tuple[Any, ...], leaf: Any) -> Any:
        name = _joined(path)
        if name not in wanted or name in fresh:
            return leaf
        return jax.device_put(found[name].astype(leaf.dtype), leaf.sharding)

    return jax.tree_util.tree_map_with_path(leaf, here)


def _known(name: str, wanted: Collection[str]) -> bool:
    """Whether an array of the checkpoint can have a place: not that of a tower or a part that is not built here."""
    tower = TOWER.match(name)
    branch = f"model/{tower[1]}/" if tower else _entry(name)
    return not branch or any(other.startswith(branch) for other in wanted)


def _entry(name: str) -> str:
    """Of an objective's array, the objective's path; '' of others."""
    kind, *others = name.split("/")
    return f"{kind}/{others[0]}/" if kind == "objectives" else ""


def _may_be_new(name: str, entries: Collection[str], new: str) -> bool:
    """Whether an array need not be in the checkpoint; a part need not be where its objective was not there at all."""
    return bool(new and re.search(new, name)) or (bool(_entry(name)) and _entry(name) not in entries)


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
            raise UserError(
                f"{where}: {name} is a scale of {math.exp(value):.6g}, which the first update would cut to its "
                f"{setting} of {math.exp(limit):.6g}: set logit_scale.{setting} to it, or hold it with "
                "logit_scale.learn=False"
            )


def _resampled(path: tuple[Any, ...], table: Any, shape: tuple[int, ...]) -> Any:
    """An array of the checkpoint; a table of positions for the size that the state has."""
    if tuple(table.shape) == shape or not can_be_resampled(path, table.shape, shape):
        return table
    name = _joined(path)
    logging.warning("checkpoint.start: %s is resampled from %d positions to %d", name, len(table), shape[0])
    return np.asarray(resampled(path, table, shape))


def _joined(path: tuple[Any, ...]) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/")


def _named(tree: PyTree) -> dict[str, Any]:
    return dict(zip(tree_paths(tree), jax.tree.leaves(tree), strict=True))


def _shapes(leaves: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(leaf.shape) for name, leaf in leaves.items()}
