"""Boxes of regions as a view shows them: cut by its crop, and mirrored with it."""

from __future__ import annotations

from collections.abc import Sequence

from input_pipeline.records import Region
from input_pipeline.views.resize import Box

LEAST = 0.25  # share of a region that has to be left of it


def placed(
    regions: Sequence[Region], width: int, height: int, window: Box, mirrored: bool = False
) -> list[tuple[Region, Box]]:
    """Returns the regions that a window of an image still shows, with their boxes in it, in [0, 1].

    Args:
      regions: of the image.
      width: of the image in pixels.
      height: likewise.
      window: left, top, right and bottom in pixels; what it covers beyond the image shows nothing.
      mirrored: left and right are exchanged afterwards.
    """
    left, top, right, bottom = window
    shown = []
    for region in regions:
        across = _cut(region.box[0] * width, region.box[2] * width, left, right)
        down = _cut(region.box[1] * height, region.box[3] * height, top, bottom)
        if across[2] * down[2] >= LEAST:
            first, last = (1 - across[1], 1 - across[0]) if mirrored else across[:2]
            shown.append((region, (first, down[0], last, down[1])))
    return shown


def _cut(start: float, stop: float, first: float, last: float) -> tuple[float, float, float]:
    """An interval within another, in shares of that, and the share of it that is left."""
    inner = max(start, first), max(min(stop, last), max(start, first))
    scale = 1.0 / (last - first)
    left = (inner[1] - inner[0]) / max(stop - start, 1e-9)
    return min((inner[0] - first) * scale, 1.0), min((inner[1] - first) * scale, 1.0), left
