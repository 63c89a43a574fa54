"""Names for the places of a picture out of a caption set: Dense CaSED (arXiv 2404.10864), on collages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Int64, UInt8

from input_pipeline.errors import UserError
from input_pipeline.views.class_names import naming_rule
from vlp.evaluation.dense.collages import Collages, check_collages, make_collages, quadrant_of_cells
from vlp.evaluation.dense.region_figures import mean_per_label, soft_jaccard
from vlp.evaluation.exhibits import Exhibit, ScoreMap, ScoreMaps
from vlp.evaluation.naming.category_search import Naming
from vlp.evaluation.naming.figures import chance_word_iou, word_iou
from vlp.evaluation.naming.vocabulary_free import CategorySearch
from vlp.evaluation.protocols import Encoder
from vlp.evaluation.texts.captions import read_captions
from vlp.evaluation.texts.class_names import labelled_classes

SHOWN, NAMES_SHOWN = 6, 4


class Regions(NamedTuple):
    """Names of the cells of each collage, row by row, and what one name for the whole of it would be."""

    cells: list[list[Naming]]
    whole: list[Naming]


def grid_crops(
    images: UInt8[np.ndarray, "n side side 3"], grid: int, resolution: int
) -> UInt8[np.ndarray, "n*grid*grid resolution resolution 3"]:
    """Returns the grid x grid equal parts of each image, row by row, each resized (bicubic)."""
    from PIL import Image

    part = images.shape[1] / grid
    boxes = [(part * x, part * y, part * (x + 1), part * (y + 1)) for y in range(grid) for x in range(grid)]
    size = (resolution, resolution)
    pictures = (Image.fromarray(image) for image in images)
    return np.stack(
        [
            np.asarray(picture.resize(size, Image.Resampling.BICUBIC, box))
            for picture in pictures
            for box in boxes
        ]
    )


def cell_rows(
    crops: Sequence[Float[np.ndarray, "n parts dim"]], side: int
) -> Float64[np.ndarray, "n cells dim"]:
    """Returns, for every cell of a side x side grid, the unit mean of the crops around it.

    Args:
        crops: unit rows of the parts of each image, for each of several grids whose sides divide `side`.
        side: of the cells.
    """
    total = np.zeros((len(crops[0]), side, side, crops[0].shape[-1]))
    for rows in crops:
        grid = round(rows.shape[1] ** 0.5)
        square = rows.astype(np.float64).reshape(len(rows), grid, grid, -1)
        total += square.repeat(side // grid, axis=1).repeat(side // grid, axis=2)
    cells = total.reshape(len(total), side * side, -1)
    return cells / np.maximum(np.linalg.norm(cells, axis=-1, keepdims=True), np.finfo(np.float64).tiny)


@dataclass(frozen=True)
class VocabularyFreeRegions(CategorySearch):
    """Collages are cut by grids; the parts' embeddings, averaged, name every cell of the finest grid.

    Attributes:
        collages: made of each set.
        grids: cuts of a side; each divides the largest.
    """

    collages: int = 50
    grids: tuple[int, ...] = (2, 4, 8)

    name: str = "vocabulary_free_regions"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.grids or min(self.grids) < 1 or any(max(self.grids) % grid for grid in self.grids):
            raise UserError(
                f"evaluators.{self.name}.grids={self.grids} must be whole numbers that divide the largest of them"
            )

    def check(self) -> None:
        for name in self.sets:
            data = self.data[name]
            check_collages(data.images, labelled_classes(name, data.labels)[2], enlarge=True)
        read_captions(self.captions, self.column)

    def __call__(self, model: Encoder) -> dict[str, float]:
        figures: dict[str, float] = {}
        for name in self.sets:
            regions, classes = self._regions(model, name), self._collages[name].classes
            soft = self._soft_jaccard(model, name, regions.cells)
            alone = self._soft_jaccard(
                model, name, [[whole] * len(self._quadrant) for whole in regions.whole]
            )
            figures |= {
                f"{self.name}/{name}/semantic_iou": float(self._word_ious(model, name).mean()),
                f"{self.name}/{name}/soft_jaccard": mean_per_label(soft, classes),
                f"{self.name}/{name}/soft_jaccard_of_one_name": mean_per_label(alone, classes),
            }
        return figures

    def chance(self) -> dict[str, float]:
        """Returns the figures of a word drawn from the caption set."""
        chance: dict[str, float] = {}
        for name in self.sets:
            labels = [self._classes[name][place] for place in self._collages[name].classes.reshape(-1)]
            chance[f"{self.name}/{name}/semantic_iou"] = chance_word_iou(self._word_frequency, labels)
        return chance

    def outcomes(self, model: Encoder) -> dict[str, Float[np.ndarray, " queries"]]:
        return {f"{self.name}/{name}/semantic_iou": self._word_ious(model, name) for name in self.sets}

    def exhibits(self, model: Encoder) -> Iterable[Exhibit]:
        for name in self.sets:
            found = zip(self._collages[name].images[:SHOWN], self._regions(model, name).cells, strict=False)
            maps = [one for picture, cells in found for one in _maps(picture, cells, max(self.grids))]
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

    def _soft_jaccard(
        self, model: Encoder, name: str, cells: Sequence[Sequence[Naming]]
    ) -> Float64[np.ndarray, "collages 4"]:
        labels = self.judged(model, self._classes[name])
        rows = [self.judged(model, [cell.names[0] for cell in own]) for own in cells]
        own = self._collages[name].classes
        return np.stack(
            [soft_jaccard(row @ labels[four].T, self._quadrant) for row, four in zip(rows, own, strict=True)]
        )

    def _regions(self, model: Encoder, name: str) -> Regions:
        return self._found.once(model, name, lambda: self._find(model, name))

    def _find(self, model: Encoder, name: str) -> Regions:
        images, resolution = self._collages[name].images, self.data[name].images.shape[1]
        side = max(self.grids)
        crops = [
            model.encode_image_array(grid_crops(images, grid, resolution)).reshape(len(images), grid**2, -1)
            for grid in self.grids
        ]
        rows = cell_rows(crops, side)
        namings = self.name_rows(model, rows.reshape(-1, rows.shape[-1]))
        cells = [namings[start : start + side**2] for start in range(0, len(namings), side**2)]
        return Regions(
            cells, self.name_rows(model, model.encode_image_array(grid_crops(images, 1, resolution)))
        )

    @cached_property
    def _quadrant(self) -> Int64[np.ndarray, " cells"]:
        return quadrant_of_cells(max(self.grids)).reshape(-1)

    @cached_property
    def _classes(self) -> dict[str, list[str]]:
        """Class names by set."""
        rule = naming_rule(self.labels)
        return {name: rule(labelled_classes(name, self.data[name].labels)[0]) for name in self.sets}

    @cached_property
    def _collages(self) -> dict[str, Collages]:
        made = {}
        for name in self.sets:
            _, rows, classes = labelled_classes(name, self.data[name].labels)
            made[name] = make_collages(self.data[name].images[rows], classes, self.collages, enlarge=True)
        return made


def _maps(
    picture: UInt8[np.ndarray, "side side 3"], cells: Sequence[Naming], side: int
) -> Iterable[ScoreMap]:
    """Where the most frequent names of a picture are how likely."""
    for name, _ in Counter(cell.names[0] for cell in cells).most_common(NAMES_SHOWN):
        scores = [dict(zip(cell.names, cell.scores, strict=True)).get(name, 0.0) for cell in cells]
        yield ScoreMap(picture, name, np.reshape(scores, (side, side)))
