"""Pictures cut into square patches, and put together again."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from jaxtyping import UInt8


def cut(
    pixels: UInt8[np.ndarray, "height width 3"], patch_size: int
) -> UInt8[np.ndarray, "patches values 3"]:
    """Cuts a picture of whole patches into them, row by row."""
    rows, columns = (extent // patch_size for extent in pixels.shape[:2])
    patches = pixels.reshape(rows, patch_size, columns, patch_size, 3).swapaxes(1, 2)
    return patches.reshape(rows * columns, patch_size**2, 3)


def joined(
    patches: UInt8[np.ndarray, "patches values 3"], grid: Iterable[int]
) -> UInt8[np.ndarray, "height width 3"]:
    """Puts the first patches together again, so many rows and columns of them; the others are padding."""
    rows, columns = map(int, grid)
    side = math.isqrt(patches.shape[1])
    own = patches[: rows * columns].reshape(rows, columns, side, side, 3)
    return own.swapaxes(1, 2).reshape(rows * side, columns * side, 3)
