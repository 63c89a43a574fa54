"""What pixels a view gives: a square, or patches of an image at its own aspect ratio within a budget of tokens.

Patches are one element of a numpy array whatever the image's shape: a record of the patches, padded to the budget, and
of how many there are in rows and columns. So they are stacked, indexed and held as squares are, and are taken apart
into batch fields of their own (`apart`) where a batch is made.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from input_pipeline.decode import Pixels
from input_pipeline.errors import UserError
from input_pipeline.views.bicubic import Box, bicubic
from input_pipeline.views.patches import cut, patches_dtype
from input_pipeline.views.resize import resize

Shown = np.ndarray
"""What a view shows of one image: uint8 [r, r, 3], or a record of `NativePatches.dtype`."""

GRID = "_grid"  # behind a view's name: the batch field of its rows and columns
LARGEST_SCALE, PRECISION = 100.0, 1e-5  # of the search for a size, as transformers has them


@dataclass(frozen=True)
class Squares:
    """All images as squares of one resolution."""

    resolution: int

    @property
    def dtype(self) -> np.dtype:
        """Returns what one image is in an array of several."""
        return np.dtype((np.uint8, (self.resolution, self.resolution, 3)))

    def size(self, width: float, height: float) -> tuple[int, int]:
        """Returns width and height of the pixels that are shown of an image."""
        del width, height
        return self.resolution, self.resolution

    def resize(self, pixels: Pixels, box: Box) -> Pixels:
        """Resizes a box of an image, which may reach beyond it, to that size."""
        return resize(pixels, box, self.resolution)

    def packed(self, pixels: Pixels) -> Shown:
        """Turns pixels of that size into one element of an array."""
        return pixels


@dataclass(frozen=True)
class NativePatches:
    """Images at their own aspect ratio as patches (NaFlex: SigLIP 2, arXiv 2502.14786, section 2.4.2).

    Attributes:
      patch_size: side of a patch, in pixels.
      patches: of an image at most, to which all are padded.
    """

    patch_size: int
    patches: int

    @property
    def dtype(self) -> np.dtype:
        """Returns what one image is in an array of several."""
        return patches_dtype(self.patch_size, self.patches)

    def size(self, width: float, height: float) -> tuple[int, int]:
        """Returns the largest size in whole patches that is within the budget, by which both sides are scaled alike.

        The search is transformers' (Siglip2ImageProcessor), to its precision, so that sizes agree to the pixel.
        """
        low, high = PRECISION / 10, LARGEST_SCALE
        while high - low >= PRECISION:
            scale = (low + high) / 2
            fits = math.prod(self._sides(width, height, scale)) <= self.patches
            low, high = (scale, high) if fits else (low, scale)
        columns, rows = self._sides(width, height, low)
        return columns * self.patch_size, rows * self.patch_size

    def _sides(self, width: float, height: float, scale: float) -> tuple[int, int]:
        """Columns and rows, of which a part counts whole."""
        return (
            max(1, math.ceil(width * scale / self.patch_size)),
            max(1, math.ceil(height * scale / self.patch_size)),
        )

    def resize(self, pixels: Pixels, box: Box) -> Pixels:
        """Resizes a box within an image to the size for the box."""
        return bicubic(pixels, box, self.size(box[2] - box[0], box[3] - box[1]))

    def packed(self, pixels: Pixels) -> Shown:
        """Cuts pixels of that size into one record of `dtype`."""
        own, shown = cut(pixels, self.patch_size), np.zeros((), self.dtype)
        shown["patches"][: len(own)] = own
        shown["grid"] = [extent // self.patch_size for extent in pixels.shape[:2]]
        return shown


Frame = Squares | NativePatches


def frame_of(preprocessing: Mapping[str, Any]) -> Frame:
    """Returns what a preprocessing spec makes of images: patches where it has a budget of `patches`, else squares.

    Raises:
      ValueError: a number is out of its range, or patches are of images that are cropped or padded to a square.
    """
    resolution, patches = int(preprocessing["resolution"]), int(preprocessing.get("patches", 0))
    if resolution < 1:
        raise UserError(f"resolution {resolution} must be at least 1")
    if not patches:
        return Squares(resolution)
    if preprocessing["resize"] != "squash":
        raise UserError(
            f"resize '{preprocessing['resize']}' makes squares, and patches={patches} are of images at their own "
            "aspect ratio: use resize='squash', which shows the whole image"
        )
    return NativePatches(int(preprocessing["patch_size"]), patches)


def parts_of(*arrays: np.ndarray) -> list[np.ndarray]:
    """Returns arrays, of which those of patches are two in its place: patches, and rows and columns."""
    return [
        part
        for one in arrays
        for part in ((one[name] for name in one.dtype.names) if one.dtype.names else (one,))
    ]


def names_of(fields: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns what the `parts_of` fields are called, in their order: of patches, NAME and NAME_grid."""
    return tuple(
        own
        for name, one in fields.items()
        for own in ((name, f"{name}{GRID}") if one.dtype.names else (name,))
    )


def apart(fields: Mapping[str, Shown]) -> dict[str, np.ndarray]:
    """Returns views of images by name as batch fields."""
    return dict(zip(names_of(fields), parts_of(*fields.values()), strict=True))
