"""Pictures cut into square patches, and put together again."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from jaxtyping import UInt8


def patches_dtype(patch_size: int, patches: int) -> np.dtype:
    """Returns what one picture cut into at most so many patches is in an array of several: `patches` uint8 [patches,
    values, 3], row by row, and `grid` int32 [2], their rows and columns; what is behind these is 0."""
    return np.dtype([("patches", np.uint8, (patches, patch_size**2, 3)), ("grid", np.int32, 2)])


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


def picture_of(shown: np.ndarray) -> UInt8[np.ndarray, "height width 3"]:
    """Returns the pixels of what a view shows of one image: a square, or a record of patches."""
    return joined(shown["patches"], shown["grid"]) if shown.dtype.names else shown


def square_side(images: np.ndarray) -> int:
    """Returns the side of images that are squares; of records of patches, that of the largest square within them."""
    if not images.dtype.names:
        return int(images.shape[1])
    patches, values, _ = images.dtype["patches"].shape
    return math.isqrt(patches) * math.isqrt(values)


def like(images: np.ndarray, squares: UInt8[np.ndarray, "n side side 3"]) -> np.ndarray:
    """Returns squares as other images are: themselves, or as records of patches, where those are."""
    if not images.dtype.names:
        return squares
    size, side = math.isqrt(images.dtype["patches"].shape[1]), squares.shape[1]
    records = np.zeros(len(squares), patches_dtype(size, (side // size) ** 2))
    records["patches"], records["grid"] = [cut(one, size) for one in squares], side // size
    return records
