"""Open-vocabulary segmentation without training: every patch against every class name, on collages.

A cell's score is the cosine of its patch's embedding with the text's (the pixel-text score map of DenseCLIP,
arXiv 2112.01518, before any tuning; MaskCLIP, arXiv 2112.01071, where a model reads patches by attention).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Int64

from input_pipeline.views.class_names import naming_rule
from vlp.evaluation.dense.collages import (
    QUADRANTS,
    Collages,
    check_collages,
    collages_by_set,
    quadrant_of_cells,
)
from vlp.evaluation.dense.figures import Areas, areas, mean_iou, patch_accuracy, pointing
from vlp.evaluation.exhibits import Exhibit, ScoreMap, ScoreMaps
from vlp.evaluation.protocols import Encoder, OnSets
from vlp.evaluation.texts.class_names import labelled_classes, names_by_set
from vlp.evaluation.texts.class_texts import encode_names
from vlp.evaluation.texts.prompt_sets import load_prompt_set

SHOWN = 6


class ScoredCollage(NamedTuple):
    """One collage: the scores of its cells, row by row, for all classes; their quadrants; the quadrants' classes."""

    scores: Float64[np.ndarray, "cells classes"]
    quadrant: Int64[np.ndarray, " cells"]
    classes: Int64[np.ndarray, 4]


@dataclass(frozen=True)
class Dense(OnSets):
    """Pointing, patch accuracy and mean IoU on collages of labelled images.

    Attributes:
        templates: prompt set that class names are written into.
        labels: rule from a set's labels to names.
        collages: made of each set.
        enlarge: whether collages have twice the side of the model's images, for which positions are resampled; else
            the images are halved.
    """

    templates: str
    labels: str
    prefix_token: str
    collages: int
    enlarge: bool

    def __post_init__(self) -> None:
        load_prompt_set(self.templates)
        naming_rule(self.labels)

    def check(self) -> None:
        for name in self.sets:
            data = self.data[name]
            check_collages(data.images, labelled_classes(name, data.labels)[2], enlarge=self.enlarge)

    def __call__(self, model: Encoder) -> dict[str, float]:
        return {
            f"{self.name}/{name}/{figure}": value
            for name in self.sets
            for figure, value in dense_figures(self._scored(model, name)).items()
        }

    def chance(self) -> dict[str, float]:
        return {
            f"{self.name}/{name}/{figure}": value
            for name in self.sets
            for figure, value in dense_chance(self._collages[name].classes, len(self._classes[name])).items()
        }

    def outcomes(self, model: Encoder) -> dict[str, Float[np.ndarray, " queries"]]:
        values: dict[str, Float[np.ndarray, " queries"]] = {}
        for name in self.sets:
            own = [(one.scores[:, one.classes], one.quadrant) for one in self._scored(model, name)]
            values[f"{self.name}/{name}/pointing"] = np.concatenate([pointing(*pair) for pair in own]) * 1.0
            values[f"{self.name}/{name}/patch_accuracy"] = np.array([patch_accuracy(*pair) for pair in own])
        return values

    def exhibits(self, model: Encoder) -> Iterable[Exhibit]:
        for name in self.sets:
            maps = []
            pictures = self._collages[name].images[:SHOWN]
            for picture, scored in zip(pictures, self._scored(model, name), strict=False):
                side = round(len(scored.quadrant) ** 0.5)
                maps += [
                    ScoreMap(picture, self._classes[name][place], scored.scores[:, place].reshape(side, side))
                    for place in scored.classes
                ]
            yield ScoreMaps(f"Where class names fit collages of {name}", maps)

    def _scored(self, model: Encoder, name: str) -> Iterator[ScoredCollage]:
        texts = encode_names(model, self._classes[name], self.templates, self.prefix_token)
        patches = np.asarray(model.encode_patch_array(self._collages[name].seen))
        quadrant = quadrant_of_cells(patches.shape[1]).reshape(-1)
        for picture, classes in zip(patches, self._collages[name].classes, strict=True):
            cells = picture.reshape(len(quadrant), -1).astype(np.float64)
            yield ScoredCollage(cells @ texts.T, quadrant, classes)

    @cached_property
    def _classes(self) -> dict[str, list[str]]:
        return names_by_set(self.data, self.sets, self.labels)

    @cached_property
    def _collages(self) -> dict[str, Collages]:
        return collages_by_set(self.data, self.sets, self.collages, enlarge=self.enlarge)


def dense_figures(collages: Iterable[ScoredCollage]) -> dict[str, float]:
    """Returns all figures. `mean_iou` lets each cell choose among the four classes of its collage,
    `mean_iou_of_all_classes` among all; both are over the classes that some collage shows."""
    hits, right, of_four, of_all = [], [], [], []
    for scores, quadrant, classes in collages:
        own = scores[:, classes]
        hits.append(pointing(own, quadrant))
        right.append(patch_accuracy(own, quadrant))
        real = np.where(quadrant >= 0, classes[quadrant], -1)
        of_four.append(areas(classes[own.argmax(axis=1)], real, scores.shape[1]))
        of_all.append(areas(scores.argmax(axis=1), real, scores.shape[1]))
    return {
        "pointing": float(np.mean(hits)),
        "patch_accuracy": float(np.mean(right)),
        "mean_iou": mean_iou(_total(of_four)),
        "mean_iou_of_all_classes": mean_iou(_total(of_all)),
    }


def dense_chance(classes: Int64[np.ndarray, "collages 4"], kinds: int) -> dict[str, float]:
    """Returns the figures of cells that score at random, of so many classes; of IoU, the ratio of the expected
    areas."""
    real = np.bincount(classes.reshape(-1), minlength=kinds).astype(np.float64)
    of_four = Areas(real / QUADRANTS, real, real)
    of_all = Areas(real / kinds, np.full(kinds, real.sum() / kinds), real)
    share = 1 / QUADRANTS
    return {
        "pointing": share,
        "patch_accuracy": share,
        "mean_iou": mean_iou(of_four),
        "mean_iou_of_all_classes": mean_iou(of_all),
    }


def _total(found: list[Areas]) -> Areas:
    return Areas(*(np.sum(areas, axis=0) for areas in zip(*found, strict=True)))
