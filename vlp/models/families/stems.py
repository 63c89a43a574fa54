"""What stems of vision transformers cost; see `vlp/models/stems.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from input_pipeline.errors import UserError
from vlp.models.flops import halved

SIDE = 16  # of the square of pixels that becomes a token
SIDES = (4, 2, 2)  # of nested squares
BLOCKS = (2, 4)  # of a mobile stem, in either stage


def check_stem(settings: Any, where: str) -> None:
    """Checks that a stem has a width and makes tokens of the patches that everything else counts by.

    Raises:
      ValueError: it has not, or patches are of another size.
    """
    if settings.stem and (settings.patch_size != SIDE or not settings.stem_width):
        raise UserError(
            f"{where}.stem='{settings.stem}' makes tokens of patches of {SIDE} by layers of a width of their own: use "
            f"patch_size={SIDE} (it is {settings.patch_size}) and stem_width (it is {settings.stem_width}) above 0"
        )


def stem_flops(kind: str, inner: int, inputs: int, width: int) -> int:
    """Counts a stem for one image.

    Args:
      kind: 'nested' or 'mobile'.
      inner: width of its first layers.
      inputs: side of the image.
      width: of a token.
    """
    if kind == "nested":
        flops, grid, channels = 0, inputs, 3
        for side, outputs in zip(SIDES, (inner, inner, width), strict=True):
            grid //= side
            flops, channels = flops + 2 * grid**2 * side**2 * channels * outputs, outputs
        return flops
    grid = halved(inputs)
    flops = 2 * grid**2 * 3**2 * (3 * inner + inner**2)
    for inputs_, outputs, count in ((inner, inner, BLOCKS[0]), (inner, 2 * inner, BLOCKS[1])):
        flops += 2 * grid**2 * inputs_ * 4 * outputs
        grid = halved(grid)
        flops += (
            2 * grid**2 * (3**2 * 4 * outputs + 4 * outputs**2 + inputs_ * outputs * (inputs_ != outputs))
        )
        flops += (count - 1) * 2 * grid**2 * (2 * 4 * outputs**2 + 3**2 * 4 * outputs)
    return flops + 2 * halved(grid) ** 2 * 3**2 * 2 * inner * width


def stem_rows(inputs: int, path: Sequence[str]) -> int:
    """Counts the cells that a linear layer of a stem sees.

    Args:
      inputs: side of the image.
      path: of the layer within the stem, as ('layers', '1', 'projection') or ('stages', '0', '1', 'up').
    """
    if path[0] == "layers":
        return (inputs // (4 << int(path[1]))) ** 2
    stage, block, layer = int(path[1]), int(path[2]), path[3]
    halvings = 1 + stage + (block > 0 or layer != "up")
    for _ in range(halvings):
        inputs = halved(inputs)
    return inputs**2
