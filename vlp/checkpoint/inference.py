"""Reading a checkpoint without the trainer: the model's arrays alone, on any machine."""

from __future__ import annotations

from pathlib import Path

import jax
import numpy as np
import orbax.checkpoint as ocp
from jaxtyping import PyTree

from vlp.checkpoint.checkpointer import ARRAYS


def load_model_arrays(folder: Path) -> PyTree:
    """The arrays saved as `model`, as a nested dict of numpy arrays, whatever devices they were saved from.

    Args:
      folder: of one checkpoint, from `find_checkpoint`.
    """
    path = folder.absolute() / ARRAYS / "model"
    handler = ocp.PyTreeCheckpointHandler()
    as_numpy = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), handler.metadata(path).tree)
    return handler.restore(path, args=ocp.args.PyTreeRestore(restore_args=as_numpy))
