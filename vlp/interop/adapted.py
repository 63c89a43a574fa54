"""Adapters in an export: what has a low rank becomes part of the weights, anything else is refused."""

from __future__ import annotations

from typing import Any

import numpy as np

from input_pipeline.errors import UserError
from vlp.interop.mapping import Tensors
from vlp.models.adapters import QKV, WHERE, read_adapter
from vlp.models.sizes import tower_size
from vlp.path_rules import match_paths

BRANCH = "/adapter/"


def with_adapters_merged(leaves: Tensors, model: Any) -> Tensors:
    """Returns the weights of a model with its adapters in them: kernel + down up alpha / rank, of LoRA.

    Args:
      leaves: of a dual encoder, by path.
      model: `model` of its config.

    Raises:
      ValueError: there is an adapter that is no part of a linear layer.
    """
    merged = {path: leaf for path, leaf in leaves.items() if BRANCH not in path}
    others = {
        path.partition(BRANCH)[0] for path in leaves if BRANCH in path and not path.endswith(("/down", "/up"))
    }
    if others:
        raise UserError(
            f"no format has a place for the adapter of {min(others)}, which is no product of low rank that could "
            "become part of the weights: an export holds those of kind 'lora' alone"
        )
    layers = [path.removesuffix(f"{BRANCH}down") for path in leaves if path.endswith(f"{BRANCH}down")]
    for layer, parts in _parts_of(layers, model.adapters.rules).items():
        down, up = (leaves[f"{layer}{BRANCH}{name}"].astype(np.float64) for name in ("down", "up"))
        if parts:
            up = _of_parts(up, parts, tower_size(model[layer.partition("/")[0]]).heads)
        kernel = merged[f"{layer}/kernel"]
        added = down @ up * (model.adapters.alpha / down.shape[-1])
        merged[f"{layer}/kernel"] = (kernel + added).astype(kernel.dtype)
    return merged


def _parts_of(layers: list[str], rules: str) -> dict[str, str]:
    """Of each layer with an adapter, which of queries, keys and values it adapts; '' = what there is."""
    if not layers:
        return {}
    paths = [f"model/{layer}" for layer in layers]
    found = match_paths(rules, paths, default=("", 0, ""), convert=read_adapter, name=WHERE, what="adapter")
    return {layer: parts for layer, (_, _, parts) in zip(layers, found, strict=True)}


def _of_parts(up: np.ndarray, parts: str, heads: int) -> np.ndarray:
    """Without the columns that have no part, which are not zero where an adapter of all of them went on as this one."""
    chosen = np.array([part in parts for part in QKV], up.dtype)[:, None]
    split = up.reshape(*up.shape[:-1], heads, len(QKV), -1) * chosen
    return split.reshape(up.shape)
