"""Adapters in an export: what has a low rank becomes part of the weights, anything else is refused."""

from __future__ import annotations

import numpy as np

from input_pipeline.errors import UserError
from vlp.interop.mapping import Tensors

BRANCH = "/adapter/"


def with_adapters_merged(leaves: Tensors, alpha: float) -> Tensors:
    """Returns the weights of a model with its adapters in them: kernel + down up alpha / rank, of LoRA.

    Args:
      leaves: of a dual encoder, by path.
      alpha: `model.adapters.alpha` of its config.

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
    for path in (path for path in leaves if path.endswith(f"{BRANCH}down")):
        layer = path.removesuffix(f"{BRANCH}down")
        down, up = (leaves[f"{layer}{BRANCH}{name}"].astype(np.float64) for name in ("down", "up"))
        kernel = merged[f"{layer}/kernel"]
        merged[f"{layer}/kernel"] = (kernel + down @ up * (alpha / down.shape[-1])).astype(kernel.dtype)
    return merged
