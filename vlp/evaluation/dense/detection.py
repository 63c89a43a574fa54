"""Boxes that a part of the model finds, by the name that fits each: average precision at an overlap of one half."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np
from jaxtyping import Float, Float32, Float64

from input_pipeline.views.class_names import naming_rule
from vlp.evaluation.cache import LatestModel
from vlp.evaluation.dense.box_precision import MOST, average_precision, hits, overlaps
from vlp.evaluation.dense.known_regions import KnownRegions, known_regions
from vlp.evaluation.exhibits import Bars, BoxedPicture, Boxes, Exhibit
from vlp.evaluation.protocols import Asked, Detector, Encoder
from vlp.evaluation.texts.prompt_sets import fill, load_prompt_set

SHOWN = 12


@dataclass(frozen=True)
class Detection(Asked):
    """Mean average precision over labels, and the share of the real boxes that any box finds.

    Attributes:
        part: of the model, that finds boxes; '' = the parts that grids cut a picture into, by their crops.
        templates: prompt set that names are written into.
        labels: rule from labels to names.
        prefix_token: before every text.
    """

    part: str
    templates: str
    labels: str
    prefix_token: str

    def __post_init__(self) -> None:
        load_prompt_set(self.templates)
        naming_rule(self.labels)

    def outcomes(self, model: Encoder) -> dict[str, Float[np.ndarray, " queries"]]:
        values: dict[str, Float[np.ndarray, " queries"]] = {}
        for name in self.sets:
            boxes, scores = self._found(model, name)
            where = f"{self.name}/{name}"
            values[f"{where}/mean_average_precision_50"] = precisions(boxes, scores, self._regions[name])
            values[f"{where}/found"] = found_by_any(boxes, self._regions[name])
        return values

    def chance(self) -> dict[str, float]:
        """Returns nothing: what boxes at random find depends on how they are drawn."""
        assert all(self._regions[name].names for name in self.sets)
        return {}

    def exhibits(self, model: Encoder) -> Iterable[Exhibit]:
        for name in self.sets:
            known, (boxes, scores) = self._regions[name], self._found(model, name)
            names = naming_rule(self.labels)(known.names)
            values = self.outcomes(model)[f"{self.name}/{name}/mean_average_precision_50"]
            counts = np.bincount(known.kinds[known.there], minlength=len(names))
            yield Bars(f"Average precision of boxes in {name}", names, values, counts)
            shown = np.unique(np.linspace(0, len(boxes) - 1, SHOWN).astype(int))
            pictures = [
                BoxedPicture(known.images[at], boxes[at], [names[best] for best in scores[at].argmax(axis=1)])
                for at in shown
            ]
            yield Boxes(f"Boxes found in {name}", pictures)

    def _found(
        self, model: Encoder, name: str
    ) -> tuple[Float32[np.ndarray, "n boxes 4"], Float64[np.ndarray, "n boxes names"]]:
        return self._known.once(model, name, lambda: self._detected(model, name))

    def _detected(
        self, model: Encoder, name: str
    ) -> tuple[Float32[np.ndarray, "n boxes 4"], Float64[np.ndarray, "n boxes names"]]:
        known, templates = self._regions[name], load_prompt_set(self.templates)
        called = naming_rule(self.labels)(known.names)
        texts = [fill(template, one) for one in called for template in templates]
        detector = cast(Detector, model.scorer(self.part))
        boxes, scores = detector.detect(known.images, texts, prefix=self.prefix_token)
        return boxes, scores.astype(np.float64).reshape(*scores.shape[:2], len(called), -1).mean(axis=3)

    @cached_property
    def _known(self) -> LatestModel:
        return LatestModel()

    @cached_property
    def _regions(self) -> dict[str, KnownRegions]:
        return {name: known_regions(name, self.data[name], "label") for name in self.sets}


def precisions(
    boxes: Float[np.ndarray, "n boxes 4"], scores: Float[np.ndarray, "n boxes names"], known: KnownRegions
) -> Float64[np.ndarray, " names"]:
    """Returns the average precision of each name; every box stands for every name, by its score."""
    values = []
    for kind in range(len(known.names)):
        right, sure = [], []
        for found, own, real, there in zip(boxes, scores[:, :, kind], known.boxes, known.kinds, strict=True):
            order = np.argsort(-own, kind="mergesort")[:MOST]
            right.append(hits(found[order], real[there == kind]))
            sure.append(own[order])
        count = int((known.kinds == kind).sum())
        values.append(average_precision(np.concatenate(right), np.concatenate(sure), count))
    return np.array(values)


def found_by_any(
    boxes: Float[np.ndarray, "n boxes 4"], known: KnownRegions
) -> Float64[np.ndarray, " regions"]:
    """Returns 1 for each real box that some box overlaps by one half."""
    pairs = zip(boxes, known.boxes, known.there, strict=True)
    best = [overlaps(found, real[there]).max(axis=0) for found, real, there in pairs]
    return (np.concatenate(best) >= 0.5) * 1.0
