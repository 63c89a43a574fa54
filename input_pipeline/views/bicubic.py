"""The antialiased bicubic filter that all pictures pass: vectorised where there is a library for it, else Pillow's."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from input_pipeline.decode import Pixels

try:
    from cykooz_resizer import CropBox, FilterType, ImageData, PixelType, ResizeAlg, ResizeOptions, Resizer
except ImportError:  # no wheel for this machine
    _VECTORISED = False
else:
    _VECTORISED = True
    _CUBIC = ResizeOptions(ResizeAlg.convolution(FilterType.catmull_rom), use_alpha=False)

Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels of the image


def bicubic(pixels: Pixels, box: Box, size: tuple[int, int]) -> Pixels:
    """Resizes a box of an RGB image, which must lie within it, to another size (width, height).

    The cubic (a = -0.5), widened by the shrinking factor, first along rows, then along columns: Pillow's
    `resize(size, BICUBIC, box)`, to one grey level.
    """
    if _VECTORISED:
        return _vectorised(pixels, box, size)
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC, box))


def _vectorised(pixels: Pixels, box: Box, size: tuple[int, int]) -> Pixels:
    """Two calls, because one filters columns before rows, which clips overshoot elsewhere than Pillow does."""
    left, top, right, bottom = box
    reach = 2 * max(1.0, (bottom - top) / size[1]) + 1  # of the filter beyond the box
    first, last = max(0, math.floor(top - reach)), min(len(pixels), math.ceil(bottom + reach))
    source = ImageData(pixels.shape[1], last - first, PixelType.U8x3, pixels[first:last].tobytes())
    rows = ImageData(size[0], last - first, PixelType.U8x3)
    target = ImageData(size[0], size[1], PixelType.U8x3)
    resizer = Resizer()
    resizer.resize(source, rows, _crop(left, 0.0, right, last - first))
    resizer.resize(rows, target, _crop(0.0, top - first, size[0], bottom - first))
    return np.frombuffer(target.get_buffer(), np.uint8).reshape(size[1], size[0], 3)


def _crop(left: float, top: float, right: float, bottom: float) -> ResizeOptions:
    options = _CUBIC.copy()
    options.crop_box = CropBox(left, top, right - left, bottom - top)
    return options
