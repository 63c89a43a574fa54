"""What one region is to another: recall of relations among the best of an image."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64

from input_pipeline.errors import UserError
from vlp.evaluation.dense.known_regions import KnownRegions, known_regions, texts_of
from vlp.evaluation.protocols import Asked, Encoder, Relater

DIRECTIONS = 8


@dataclass(frozen=True)
class RelationRecall(Asked):
    """Recall at k of the directions between regions, one predicate a pair; and accuracy of all pairs.

    Attributes:
        part: of the model, that scores predicates; '' = the crops of both regions together, by a sentence.
        predicates: the eight directions, clockwise from right.
        nearest: relations of an image that count.
    """

    part: str
    predicates: tuple[str, ...]
    nearest: int

    def __post_init__(self) -> None:
        if len(self.predicates) != DIRECTIONS:
            raise UserError(
                f"evaluators.{self.name}.predicates={self.predicates} must be the names of {DIRECTIONS} directions, "
                "clockwise from right"
            )

    def outcomes(self, model: Encoder) -> dict[str, Float[np.ndarray, " queries"]]:
        values: dict[str, Float[np.ndarray, " queries"]] = {}
        for name in self.sets:
            known, where = self._regions[name], f"{self.name}/{name}"
            scores = self._scores(model, name)
            own = [
                (row[pairs_there(there)], kinds_of(boxes, there))
                for row, boxes, there in zip(scores, known.boxes, known.there, strict=True)
                if there.sum() > 1
            ]
            values[f"{where}/recall_at_{self.nearest}"] = np.array(
                [recall(*one, self.nearest) for one in own]
            )
            values[f"{where}/accuracy"] = (
                np.concatenate([one.argmax(axis=1) == kinds for one, kinds in own]) * 1.0
            )
        return values

    def chance(self) -> dict[str, float]:
        chance = {}
        for name in self.sets:
            counts = self._regions[name].there.sum(axis=1)
            pairs = (counts * (counts - 1))[counts > 1]
            level = float(np.minimum(1.0, self.nearest / pairs).mean()) / DIRECTIONS
            chance[f"{self.name}/{name}/recall_at_{self.nearest}"] = level
            chance[f"{self.name}/{name}/accuracy"] = 1 / DIRECTIONS
        return chance

    def _scores(self, model: Encoder, name: str) -> Float64[np.ndarray, "n pairs predicates"]:
        known = self._regions[name]
        regions = [own for own in self.data[name].regions if any(one.text for one in own)]
        names = [texts_of([one for one in own if one.text], known.boxes.shape[1]) for own in regions]
        relater = cast(Relater, model.scorer(self.part))
        scores = relater.relate(known.images, known.boxes, names, list(self.predicates)).astype(np.float64)
        likely = np.exp(scores - scores.max(axis=2, keepdims=True))
        return likely / likely.sum(axis=2, keepdims=True)

    @cached_property
    def _regions(self) -> dict[str, KnownRegions]:
        found = {name: known_regions(name, self.data[name], "text") for name in self.sets}
        for name, known in found.items():
            if known.there.sum(axis=1).max() < 2:
                raise UserError(f"evaluation set {name!r} has no image with two regions that have a text")
        return found


def pairs_there(there: np.ndarray) -> Int64[np.ndarray, " pairs"]:
    """Returns which of all ordered pairs are of regions that are there."""
    pairs = itertools.permutations(range(len(there)), 2)
    return np.array([at for at, (one, other) in enumerate(pairs) if there[one] and there[other]])


def kinds_of(boxes: Float32[np.ndarray, "regions 4"], there: np.ndarray) -> Int64[np.ndarray, " pairs"]:
    """Returns the direction of each ordered pair of regions that are there: 0 = right, and so on clockwise."""
    middles = (boxes[:, :2] + boxes[:, 2:]).astype(np.float64)[there]
    pairs = np.array(list(itertools.permutations(range(len(middles)), 2)))
    apart = middles[pairs[:, 0]] - middles[pairs[:, 1]]
    turns = np.arctan2(apart[:, 1], apart[:, 0]) / (2 * np.pi) * DIRECTIONS
    return np.round(turns).astype(np.int64) % DIRECTIONS


def recall(
    scores: Float[np.ndarray, "pairs predicates"], kinds: Int64[np.ndarray, " pairs"], nearest: int
) -> float:
    """Returns the share of an image's relations among the best: each pair with its likeliest predicate."""
    best = np.argsort(-scores.max(axis=1), kind="stable")[:nearest]
    return float((scores[best].argmax(axis=1) == kinds[best]).sum() / len(kinds))
