"""Two small functions of arrays, in float64."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float64


def unit_rows(rows: Float[np.ndarray, "*rows dim"]) -> Float64[np.ndarray, "*rows dim"]:
    """Returns rows of length one; a zero stays zero."""
    wide = rows.astype(np.float64)
    return wide / np.maximum(np.linalg.norm(wide, axis=-1, keepdims=True), np.finfo(np.float64).tiny)


def logistic(values: Float[np.ndarray, "*shape"]) -> Float64[np.ndarray, "*shape"]:
    """Returns 1 / (1 + exp(-value))."""
    return 1.0 / (1.0 + np.exp(-values.astype(np.float64)))
