"""The one resize, and the boxes that the resize modes stand for.

Every picture a model sees is a box on the decoded image, resized to resolution x resolution; what the box
covers beyond the image is white. The modes are boxes: `squash` the whole image, `crop` its centre square,
`pad` the smallest square around it.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import UInt8

from input_pipeline.decode import Pixels
from input_pipeline.views.bicubic import Box, bicubic

RESIZE_MODES = ("squash", "crop", "pad")
Square = UInt8[np.ndarray, "resolution resolution 3"]


def whole_box(width: int, height: int, mode: str, resolution: int, shorter_side: int = 0) -> Box:
    """Returns the box of the evaluation view; a crop after the shorter side was made so long, or else `resolution`."""
    if mode == "squash":
        return 0.0, 0.0, float(width), float(height)
    if mode == "pad":
        left, top, side = min(0, width - height) / 2, min(0, height - width) / 2, max(width, height)
        return left, top, left + side, top + side
    left, right = _centre_interval(width, min(width, height), resolution, shorter_side or resolution)
    top, bottom = _centre_interval(height, min(width, height), resolution, shorter_side or resolution)
    return left, top, right, bottom


def _centre_interval(extent: int, shorter: int, resolution: int, shorter_side: int) -> tuple[float, float]:
    """The part of a side that scaling the shorter side to `shorter_side`, then a centre crop, would keep.

    In whole pixels of the scaled image, as torchvision's Resize and CenterCrop do, so that imported models
    see the pixels they were trained on.
    """
    scaled = int(shorter_side * extent / shorter)
    start = round((scaled - resolution) / 2.0)
    return start * extent / scaled, (start + resolution) * extent / scaled


def resize(pixels: Pixels, box: Box, resolution: int) -> Square:
    """Returns bicubic, antialiased resize of a box of an RGB image to a square; white beyond the image."""
    height, width = pixels.shape[:2]
    left, right, columns = _target_interval(box[0], box[2], width, resolution)
    top, bottom, rows = _target_interval(box[1], box[3], height, resolution)
    size = (columns.stop - columns.start, rows.stop - rows.start)
    part = bicubic(pixels, (left, top, right, bottom), size)
    if size == (resolution, resolution):
        return part
    canvas = np.full((resolution, resolution, 3), 255, np.uint8)
    canvas[rows, columns] = part
    return canvas


def _target_interval(start: float, stop: float, extent: int, resolution: int) -> tuple[float, float, slice]:
    """One axis: the part of the box inside the image, and the target pixels it fills (at least one)."""
    inner_start, inner_stop = max(0.0, start), min(float(extent), stop)
    scale = resolution / (stop - start)
    first = min(math.floor((inner_start - start) * scale + 0.5), resolution - 1)
    last = max(math.floor((inner_stop - start) * scale + 0.5), first + 1)
    return inner_start, inner_stop, slice(first, last)
