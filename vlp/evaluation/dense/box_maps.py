"""Score maps against regions whose boxes are known: classes of cells, with background and behind a gate."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64

from input_pipeline.errors import UserError
from input_pipeline.views.class_names import naming_rule
from vlp.evaluation.cache import LatestModel
from vlp.evaluation.dense.figures import Areas, areas
from vlp.evaluation.dense.known_regions import KnownRegions, cells_of, covered, known_regions
from vlp.evaluation.exhibits import Bars, Exhibit, ScoreMap, ScoreMaps
from vlp.evaluation.protocols import Encoder, OnSets
from vlp.evaluation.texts.prompt_sets import fill, load_prompt_set

SHOWN = 6


class Scored(NamedTuple):
    """Score maps of all names, the cells of all images side by side, for their grids may differ; and what is known.

    Attributes:
        grids: rows and columns of each image.
        maps: scores of the names.
        real: the name of each cell; -1 = background.
        own: the cells in any box of each name.
        shown: whether the name is shown at all.
        gate: how sure the gate is of that.
    """

    grids: Int64[np.ndarray, "images 2"]
    maps: Float64[np.ndarray, "names cells"]
    real: Int64[np.ndarray, " cells"]
    own: Bool[np.ndarray, "names cells"]
    shown: Bool[np.ndarray, "images names"]
    gate: Float64[np.ndarray, "images names"]

    @property
    def image(self) -> Int64[np.ndarray, " cells"]:
        """Returns which image each cell is of."""
        return np.repeat(np.arange(len(self.grids)), self.grids.prod(axis=1))

    def of_images(self, cells: np.ndarray) -> list[np.ndarray]:
        """Cuts what is known of cells, the last axis, by images."""
        return np.split(cells, np.cumsum(self.grids.prod(axis=1))[:-1], axis=-1)


@dataclass(frozen=True)
class BoxMaps(OnSets):
    """Mean IoU of cells with and without background, pointing, and what a gate before the maps takes away.

    Attributes:
        scorer: part of the model whose maps count; '' = cosines of patches.
        gate: part that says of whole images whether a name is shown; 'cosines' = the embeddings', '' = no gate.
        recall: share of the names that are shown that the gate lets through.
        background: a cell whose best score is below the scores' mean and so many deviations is background.
        templates: prompt set that names are written into.
        labels: rule from labels to names.
        prefix_token: before every text.
    """

    scorer: str
    gate: str
    recall: float
    background: float
    templates: str
    labels: str
    prefix_token: str

    def __post_init__(self) -> None:
        load_prompt_set(self.templates)
        naming_rule(self.labels)

    def __call__(self, model: Encoder) -> dict[str, float]:
        return {
            f"{self.name}/{name}/{figure}": value
            for name in self.sets
            for figure, value in self._figures(self._scored(model, name)).items()
        }

    def outcomes(self, model: Encoder) -> dict[str, Float[np.ndarray, " queries"]]:
        return {f"{self.name}/{name}/pointing": pointing(self._scored(model, name)) for name in self.sets}

    def chance(self) -> dict[str, float]:
        """Returns the figures of cells that score at random: of IoU, the ratio of the expected areas."""
        chance: dict[str, float] = {}
        for name in self.sets:
            known = self._regions[name]
            sizes = (known.boxes[..., 2:] - known.boxes[..., :2]).prod(axis=2)
            real = np.bincount(known.kinds[known.there], sizes[known.there], len(known.names))
            kinds = len(known.names)
            said = Areas(real / kinds, np.full(kinds, real.sum() / kinds), real)
            own = [
                covered(boxes[kinds == kind])
                for boxes, kinds in zip(known.boxes, known.kinds, strict=True)
                for kind in np.unique(kinds[kinds >= 0])
            ]
            chance[f"{self.name}/{name}/pointing"] = float(np.mean(own))
            chance[f"{self.name}/{name}/mean_iou"] = float(ious(said)[real > 0].mean())
        return chance

    def exhibits(self, model: Encoder) -> Iterable[Exhibit]:
        for name in self.sets:
            known, scored = self._regions[name], self._scored(model, name)
            names = naming_rule(self.labels)(known.names)
            found = areas(said_of(scored.maps), scored.real, len(names))
            there = found.real > 0
            own = [one for one, is_there in zip(names, there, strict=True) if is_there]
            yield Bars(f"IoU of classes in {name}", own, ious(found)[there], found.real[there].astype(int))
            maps = [
                ScoreMap(known.images[at], names[kind], own[kind].reshape(scored.grids[at]))
                for at, own in enumerate(scored.of_images(scored.maps)[:SHOWN])
                for kind in np.flatnonzero(scored.shown[at])
            ]
            yield ScoreMaps(f"Where names fit pictures of {name}", maps)

    def _figures(self, scored: Scored) -> dict[str, float]:
        kinds, real, image = len(scored.maps), scored.real, scored.image
        with_background = areas(
            self._with_background(scored.maps), np.where(real < 0, kinds, real), kinds + 1
        )
        plain = areas(said_of(scored.maps), real, kinds)
        figures = {
            "pointing": float(pointing(scored).mean()),
            "mean_iou": float(ious(plain)[plain.real > 0].mean()),
            "mean_iou_with_background": float(ious(with_background)[with_background.real > 0].mean()),
            "false_positives": false_positives(scored.maps, image, scored.shown),
        }
        if self.gate:
            closed = scored.gate < threshold(scored.gate[scored.shown], self.recall)
            behind = np.where(closed[image].T, -np.inf, scored.maps)
            gated = areas(said_of(behind), real, kinds + 1)
            figures["mean_iou_gated"] = float(ious(gated)[gated.real > 0].mean())
            figures["false_positives_gated"] = false_positives(behind, image, scored.shown)
        return figures

    def _with_background(self, maps: Float64[np.ndarray, "names cells"]) -> Int64[np.ndarray, " cells"]:
        limit = maps.mean() + self.background * maps.std()
        return np.where(maps.max(axis=0) < limit, len(maps), said_of(maps))

    def _scored(self, model: Encoder, name: str) -> Scored:
        return self._found.once(model, name, functools.partial(self._measured, model, name))

    def _measured(self, model: Encoder, name: str) -> Scored:
        known, templates = self._regions[name], load_prompt_set(self.templates)
        called = naming_rule(self.labels)(known.names)
        texts = [fill(template, one) for one in called for template in templates]
        maps = model.scorer(self.scorer).maps(known.images, texts, prefix=self.prefix_token)
        grids = np.array([own.shape[1:] for own in maps])
        every = np.concatenate(
            [own.astype(np.float64).reshape(len(called), len(templates), -1).mean(axis=1) for own in maps],
            axis=1,
        )
        if not np.isfinite(every).all():
            raise UserError(f"the part '{self.scorer}' gave scores for {name} that are no numbers")
        shown = np.zeros((len(grids), len(called)), bool)
        for row, kinds in zip(shown, known.kinds, strict=True):
            row[kinds[kinds >= 0]] = True
        gate = np.zeros(shown.shape)
        if self.gate:
            scorer = model.scorer("" if self.gate == "cosines" else self.gate)
            sure = scorer.score(known.images, texts, prefix=self.prefix_token).astype(np.float64)
            gate = sure.reshape(*shown.shape, -1).mean(axis=2)
        return Scored(grids, every, real_cells(known, grids), own_cells(known, grids), shown, gate)

    @cached_property
    def _found(self) -> LatestModel:
        return LatestModel()

    @cached_property
    def _regions(self) -> dict[str, KnownRegions]:
        return {name: known_regions(name, self.data[name], "label") for name in self.sets}


def real_cells(known: KnownRegions, grids: Int64[np.ndarray, "images 2"]) -> Int64[np.ndarray, " cells"]:
    """Returns the name of each cell by the last box that covers its middle; -1 where none does."""
    real = []
    for grid, boxes, kinds in zip(grids.tolist(), known.boxes, known.kinds, strict=True):
        own = np.full(grid, -1)
        for inside, kind in zip(cells_of(boxes, grid), kinds, strict=True):
            own[inside] = kind
        real.append(own.reshape(-1))
    return np.concatenate(real)


def own_cells(known: KnownRegions, grids: Int64[np.ndarray, "images 2"]) -> Bool[np.ndarray, "names cells"]:
    """Tells of each name which cells have their middle in any of its boxes, whatever else covers them."""
    cells = []
    for grid, boxes, kinds in zip(grids.tolist(), known.boxes, known.kinds, strict=True):
        own = np.zeros((len(known.names), *grid), bool)
        np.logical_or.at(own, kinds[kinds >= 0], cells_of(boxes[kinds >= 0], grid))
        cells.append(own.reshape(len(own), -1))
    return np.concatenate(cells, axis=1)


def said_of(maps: Float64[np.ndarray, "names cells"]) -> Int64[np.ndarray, " cells"]:
    """Returns the name that each cell fits best; of a cell that is given to none, the number behind the names."""
    return np.where(np.isneginf(maps.max(axis=0)), len(maps), maps.argmax(axis=0))


def ious(found: Areas) -> Float64[np.ndarray, " classes"]:
    """Returns intersection over union of each class; 0 of one that is nowhere."""
    return found.both / np.maximum(found.said + found.real - found.both, 1e-9)


def pointing(scored: Scored) -> Float64[np.ndarray, " shown"]:
    """Returns 1 for each name that an image shows whose best cell is in a box of its own (arXiv 1608.00507)."""
    images = zip(scored.of_images(scored.maps), scored.of_images(scored.own), scored.shown, strict=True)
    hits = [
        np.take_along_axis(own[shown], maps[shown].argmax(axis=1)[:, None], axis=1)[:, 0]
        for maps, own, shown in images
    ]
    return np.concatenate(hits) * 1.0


def false_positives(
    maps: Float64[np.ndarray, "names cells"],
    image: Int64[np.ndarray, " cells"],
    shown: Bool[np.ndarray, "images names"],
) -> float:
    """Returns the share of names that an image does not show and some cell of it is nevertheless given to."""
    given = np.zeros((len(shown), shown.shape[1] + 1), bool)
    given[image, said_of(maps)] = True
    return float(given[:, :-1][~shown].mean()) if (~shown).any() else 0.0


def threshold(sure: Float64[np.ndarray, " shown"], recall: float) -> float:
    """Returns the largest threshold at which so large a share of these scores is at or above it."""
    ordered = np.sort(sure)[::-1]
    return float(ordered[max(1, int(np.ceil(recall * len(ordered)))) - 1])
