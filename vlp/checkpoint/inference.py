"""Reading a checkpoint without the trainer: the model's arrays alone, on any machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vlp.checkpoint.arrays import load_as_numpy, paths_of


def load_model_arrays(folder: Path) -> dict[Any, Any]:
    """Returns the arrays saved as `model`, as nested dicts of numpy arrays, whatever devices they were saved from.

    Nothing of the optimizer's is read.

    Args:
      folder: of one checkpoint, from `find_checkpoint`, which has verified it.
    """
    return load_as_numpy(folder, "model")


def model_branches(folder: Path) -> frozenset[str]:
    """Returns what the saved model consists of, such as 'image' and 'text_projection'; no array is read."""
    return frozenset(path[2] for path in paths_of(folder, "model") if path[:2] == ["params", "model"])
