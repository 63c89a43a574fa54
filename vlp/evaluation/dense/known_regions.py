"""The regions of evaluation sets, as arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, cast

import numpy as np
from jaxtyping import Bool, Float32, Int64, UInt8

from input_pipeline.errors import UserError
from vlp.evaluation.protocols import EvaluationSet, Region


class KnownRegions(NamedTuple):
    """Images that have regions, padded to equally many.

    Attributes:
        images: these images, which are read when they are indexed.
        boxes: of their regions, zero where there is none.
        there: which regions are.
        kinds: the place of each region's name among `names`; -1 where it is not known.
        names: what the regions are called, sorted.
    """

    images: UInt8[np.ndarray, "n side side 3"]
    boxes: Float32[np.ndarray, "n regions 4"]
    there: Bool[np.ndarray, "n regions"]
    kinds: Int64[np.ndarray, "n regions"]
    names: list[str]


def known_regions(name: str, data: EvaluationSet, by: str) -> KnownRegions:
    """Collects the regions of a set; decodes no image before `images` is read.

    Args:
        name: of the set, for errors.
        data: the set.
        by: what regions are called by: 'label' or 'text'.

    Raises:
        ValueError: no image has a region with such a name.
    """
    named = [(row, [one for one in own if getattr(one, by)]) for row, own in enumerate(data.regions)]
    kept = [(row, own) for row, own in named if own]
    if not kept:
        raise UserError(
            f"evaluation set {name!r} has no region with a {by}: give it format='collages', boxes of COCO's own file, "
            "or regions_by_id"
        )
    names = sorted({getattr(one, by) for _, own in kept for one in own})
    place = {one: at for at, one in enumerate(names)}
    most = max(len(own) for _, own in kept)
    boxes, kinds = np.zeros((len(kept), most, 4), np.float32), np.full((len(kept), most), -1)
    for at, (_, own) in enumerate(kept):
        boxes[at, : len(own)] = [one.box for one in own]
        kinds[at, : len(own)] = [place[getattr(one, by)] for one in own]
    rows = np.array([row for row, _ in kept])
    return KnownRegions(_rows(data, rows), boxes, kinds >= 0, kinds, names)


def _rows(data: EvaluationSet, rows: Int64[np.ndarray, " n"]) -> UInt8[np.ndarray, "n side side 3"]:
    whole = len(rows) == len(data.images)
    return data.images if whole else cast(np.ndarray, PartOfImages(data.images, rows))


class PartOfImages:
    """Reads like an array of some of the images; only what is indexed is read, for the set may be too large to hold."""

    def __init__(self, images: UInt8[np.ndarray, "n side side 3"], rows: Int64[np.ndarray, " part"]) -> None:
        self._images, self._rows = images, rows
        self.shape, self.dtype, self.ndim = (len(rows), *images.shape[1:]), images.dtype, images.ndim

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, rows: int | slice | Int64[np.ndarray, " m"]) -> UInt8[np.ndarray, "*m side side 3"]:
        return self._images[self._rows[rows]]


def texts_of(regions: Sequence[Region], count: int) -> list[str]:
    """Returns the texts of so many regions, '' behind them."""
    texts = [one.text for one in regions[:count]]
    return texts + [""] * (count - len(texts))


def cells_of(
    boxes: Float32[np.ndarray, "regions 4"], grid: Iterable[int]
) -> Bool[np.ndarray, "regions rows columns"]:
    """Tells which cells of a grid of so many rows and columns have their middle in each box."""
    vertical, horizontal = ((np.arange(cells) + 0.5) / cells for cells in grid)
    across = (horizontal >= boxes[:, :1]) & (horizontal < boxes[:, 2:3])
    down = (vertical >= boxes[:, 1:2]) & (vertical < boxes[:, 3:])
    return down[:, :, None] & across[:, None, :]


def covered(boxes: Float32[np.ndarray, "regions 4"]) -> float:
    """Returns the area of all boxes together, what several of them cover counted once."""
    across, down = (np.unique(boxes[:, axis::2]) for axis in (0, 1))
    inside = np.zeros((len(down) - 1, len(across) - 1), bool)
    for left, top, right, bottom in boxes:
        inside |= ((down >= top) & (down < bottom))[:-1, None] & ((across >= left) & (across < right))[:-1]
    return float(np.diff(down) @ inside @ np.diff(across))
