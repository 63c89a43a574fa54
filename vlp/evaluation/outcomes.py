"""The outcome of every query on disk: an .npz with an array a figure, for paired comparisons of runs."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float

from input_pipeline.errors import UserError


def outcomes_to_bytes(outcomes: Mapping[str, Float[np.ndarray, " queries"]]) -> bytes:
    """Returns the file's content, in float32; equal outcomes are equal bytes."""
    buffer = io.BytesIO()
    arrays = {name: np.asarray(values, np.float32) for name, values in sorted(outcomes.items())}
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def read_outcomes(path: Path) -> dict[str, Float[np.ndarray, " queries"]]:
    """Outcomes by figure; none where there is no file.

    Raises:
      ValueError: the file is no such file.
    """
    if not path.exists():
        return {}
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except Exception as error:
        raise UserError(f"{path} holds no outcomes of an evaluation: {error}") from error
