"""Names for the places of a picture out of a caption set: Dense CaSED (arXiv 2404.10864), on collages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Int, Int64, UInt8

from input_pipeline.errors import UserError
from input_pipeline.views.patches import like, square_side
from vlp.evaluation.dense.collages import Collages, check_collages, collages_by_set, quadrant_of_cells
from vlp.evaluation.dense.region_figures import OF_ONE_NAME, area_figures, chance_of_areas
from vlp.evaluation.exhibits import Exhibit, ScoreMap, ScoreMaps
from vlp.evaluation.naming.category_search import Naming
from vlp.evaluation.naming.figures import chance_word_iou, word_iou
from vlp.evaluation.naming.vocabulary_free import CategorySearch
from vlp.evaluation.protocols import Encoder
from vlp.evaluation.texts.captions import read_captions
from vlp.evaluation.texts.class_names import labelled_classes, names_by_set

SHOWN, NAMES_SHOWN = 6, 4


class Regions(NamedTuple):
    """Names of the cells of each collage, row by row, and what one name for the whole of it would be."""

    cells: list[list[Naming]]
    whole: list[Naming]


def crop_boxes(side: int, grids: Sequence[int], half_stride: bool) -> Int64[np.ndarray, "crops 3"]:
    """Returns left, top and width of the parts that grids cut a map into, in its cells, grid by grid and row by row.

    Args:
        side: of the map.
        grids: parts of a side.
        half_stride: also cut between the parts: every half of a part's width begins another.
    """
    boxes = []
    for grid in grids:
        width = side // grid
        starts = range(0, side - width + 1, width // 2 if half_stride and grid > 1 else width)
        boxes += [(left, top, width) for top in starts for left in starts]
    return np.array(boxes)


def crops_of(
    picture: UInt8[np.ndarray, "pixels pixels 3"],
    boxes: Int[np.ndarray, "crops 3"],
    side: int,
    resolution: int,
) -> UInt8[np.ndarray, "crops resolution resolution 3"]:
    """Returns parts of a picture, resized (bicubic), by their places on a map of side x side cells."""
    from PIL import Image

    cell, image, size = picture.shape[0] / side, Image.fromarray(picture), (resolution, resolution)
    corners = [
        (cell * left, cell * top, cell * (left + width), cell * (top + width)) for left, top, width in boxes
    ]
    return np.stack([np.asarray(image.resize(size, Image.Resampling.BICUBIC, box)) for box in corners])


def cell_rows(
    rows: Float[np.ndarray, "crops dim"], boxes: Int[np.ndarray, "crops 3"], side: int
) -> Float64[np.ndarray, "cells dim"]:
    """Returns, for every cell of a side x side map, the unit mean of the rows of the crops around it."""
    total = np.zeros((side, side, rows.shape[-1]))
    for row, (left, top, width) in zip(rows.astype(np.float64), boxes, strict=True):
        total[top : top + width, left : left + width] += row
    cells = total.reshape(side * side, -1)
    return cells / np.maximum(np.linalg.norm(cells, axis=-1, keepdims=True), np.finfo(np.float64).tiny)


@dataclass(frozen=True)
class VocabularyFreeRegions(CategorySearch):
    """Collages are cut by grids; the parts' embeddings, averaged on a map, name every cell of it.

    Attributes:
        collages: made of each set.
        grids: cuts of a side.
        half_stride: whether parts also begin in the middle of others.
        map_side: cells of the map's side; its half (without half_stride, itself) is a multiple of every grid.
    """

    collages: int
    grids: tuple[int, ...]
    half_stride: bool
    map_side: int

    def __post_init__(self) -> None:
        super().__post_init__()
        parts = 2 if self.half_stride else 1
        if not self.grids or min(self.grids) < 1:
            raise UserError(f"evaluators.{self.name}.grids={self.grids} must be whole numbers from 1 on")
        if unfit := [grid for grid in self.grids if self.map_side % (grid * (parts if grid > 1 else 1))]:
            raise UserError(
                f"evaluators.{self.name}.map_side={self.map_side} must be a multiple of {parts} x {unfit[0]}: each of "
                f"grids={self.grids} cuts the map between cells"
                + (", and half_stride in between" if parts > 1 else "")
            )

    def check(self) -> None:
        for name in self.sets:
            data = self.data[name]
            check_collages(data.images, labelled_classes(name, data.labels)[2], enlarge=True)
        read_captions(self.captions, self.column)

    def __call__(self, model: Encoder) -> dict[str, float]:
        return {
            f"{self.name}/{name}/{figure}": value
            for name in self.sets
            for figure, value in {
                "semantic_iou": float(self._word_ious(model, name).mean()),
                **self._figures(model, name),
            }.items()
        }

    def chance(self) -> dict[str, float]:
        """Returns the figures of words drawn from the caption set, and of cells that are any of the four at random."""
        chance: dict[str, float] = {}
        for name in self.sets:
            places, labels = self._collages[name].classes, self._classes[name]
            own = {
                "semantic_iou": chance_word_iou(
                    self._word_frequency, [labels[at] for at in places.reshape(-1)]
                ),
                **chance_of_areas(self._word_frequency, labels, places),
            }
            chance |= {f"{self.name}/{name}/{figure}": value for figure, value in own.items()}
        return chance

    def outcomes(self, model: Encoder) -> dict[str, Float[np.ndarray, " queries"]]:
        return {f"{self.name}/{name}/semantic_iou": self._word_ious(model, name) for name in self.sets}

    def exhibits(self, model: Encoder) -> Iterable[Exhibit]:
        for name in self.sets:
            found = zip(self._collages[name].images[:SHOWN], self._regions(model, name).cells, strict=False)
            maps = [one for picture, cells in found for one in _maps(picture, cells, self.map_side)]
            yield ScoreMaps(f"Names found for the places of collages of {name}", maps)

    def _word_ious(self, model: Encoder, name: str) -> Float64[np.ndarray, " collages"]:
        """Semantic IoU of cells with the label of their quadrant, the mean over each collage."""
        known = np.flatnonzero(self._quadrant >= 0)
        classes, labels = self._collages[name].classes, self._classes[name]
        values = [
            [word_iou(cells[at].names[0], labels[own[self._quadrant[at]]]) for at in known]
            for cells, own in zip(self._regions(model, name).cells, classes, strict=True)
        ]
        return np.mean(values, axis=1)

    def _figures(self, model: Encoder, name: str) -> dict[str, float]:
        """Those of areas: of the cells' names, and some of one name for the whole beside them."""
        regions, places, labels = (
            self._regions(model, name),
            self._collages[name].classes,
            self._classes[name],
        )
        cells = [[cell.names[0] for cell in own] for own in regions.cells]
        whole = [[own.names[0]] * len(self._quadrant) for own in regions.whole]
        figures = area_figures(cells, self._similar(model, name, cells), labels, places, self._quadrant)
        alone = area_figures(whole, self._similar(model, name, whole), labels, places, self._quadrant)
        return figures | {f"{figure}_of_one_name": alone[figure] for figure in OF_ONE_NAME}

    def _similar(
        self, model: Encoder, name: str, names: Sequence[Sequence[str]]
    ) -> Float64[np.ndarray, "collages cells 4"]:
        """How similar by meaning the cells' names are to the labels of their collage."""
        labels = self.judged(model, self._classes[name]).astype(np.float64)
        found = zip(names, self._collages[name].classes, strict=True)
        return np.stack([self.judged(model, own) @ labels[four].T for own, four in found])

    def _regions(self, model: Encoder, name: str) -> Regions:
        return self._found.once(model, name, lambda: self._find(model, name))

    def _find(self, model: Encoder, name: str) -> Regions:
        boxes = crop_boxes(self.map_side, self.grids, self.half_stride)
        rows = [cell_rows(crops, boxes, self.map_side) for crops in self._encoded(model, name, boxes)]
        whole = list(self._encoded(model, name, crop_boxes(self.map_side, (1,), False)))
        namings, each = self.name_rows(model, np.concatenate(rows)), self.map_side**2
        cells = [namings[start : start + each] for start in range(0, len(namings), each)]
        return Regions(cells, self.name_rows(model, np.concatenate(whole)))

    def _encoded(
        self, model: Encoder, name: str, boxes: Int64[np.ndarray, "crops 3"]
    ) -> Iterator[Float[np.ndarray, "crops dim"]]:
        """Rows of the crops of one collage after another, whose pixels are not kept."""
        collages, resolution = self._collages[name], square_side(self.data[name].images)
        for picture in collages.images:
            crops = crops_of(picture, boxes, self.map_side, resolution)
            yield model.encode_image_array(like(collages.seen, crops))

    @cached_property
    def _quadrant(self) -> Int64[np.ndarray, " cells"]:
        return quadrant_of_cells(self.map_side).reshape(-1)

    @cached_property
    def _classes(self) -> dict[str, list[str]]:
        return names_by_set(self.data, self.sets, self.labels)

    @cached_property
    def _collages(self) -> dict[str, Collages]:
        return collages_by_set(self.data, self.sets, self.collages, enlarge=True)


def _maps(
    picture: UInt8[np.ndarray, "side side 3"], cells: Sequence[Naming], side: int
) -> Iterable[ScoreMap]:
    """Where the most frequent names of a picture are how likely."""
    for name, _ in Counter(cell.names[0] for cell in cells).most_common(NAMES_SHOWN):
        scores = [dict(zip(cell.names, cell.scores, strict=True)).get(name, 0.0) for cell in cells]
        yield ScoreMap(picture, name, np.reshape(scores, (side, side)))
