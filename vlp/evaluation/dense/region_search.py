"""Regions that are given: which of all names fits each, and which of all regions fits a text."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64

from input_pipeline.views.class_names import naming_rule
from vlp.evaluation.cache import LatestModel
from vlp.evaluation.dense.known_regions import KnownRegions, known_regions
from vlp.evaluation.exhibits import Bars, Exhibit
from vlp.evaluation.protocols import Asked, Encoder
from vlp.evaluation.texts.prompt_sets import fill, load_prompt_set

NEAREST = (1, 5)


@dataclass(frozen=True)
class RegionSearch(Asked):
    """Accuracy of regions among the names of all, and recall of the regions that a text is about.

    Attributes:
        part: of the model, that scores boxes; '' = the image tower on their crops.
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
            own = self._found.once(model, name, functools.partial(self._measured, model, name))
            values |= {f"{self.name}/{name}/{figure}": rows for figure, rows in own.items()}
        return values

    def chance(self) -> dict[str, float]:
        chance: dict[str, float] = {}
        for name in self.sets:
            labelled, said = self._regions[name]
            chance[f"{self.name}/{name}/accuracy"] = 1 / len(labelled.names)
            counts = np.bincount(said.kinds[said.there])
            for nearest in NEAREST:
                level = float(np.mean([hit_chance(counts.sum(), one, nearest) for one in counts]))
                chance[f"{self.name}/{name}/recall_at_{nearest}"] = level
        return chance

    def exhibits(self, model: Encoder) -> Iterable[Exhibit]:
        right = self.outcomes(model)
        for name in self.sets:
            labelled = self._regions[name][0]
            kinds = labelled.kinds[labelled.there]
            counts = np.bincount(kinds, minlength=len(labelled.names))
            hits = np.bincount(kinds, right[f"{self.name}/{name}/accuracy"], len(labelled.names))
            names = naming_rule(self.labels)(labelled.names)
            yield Bars(f"Regions of {name} that are named right", names, hits / np.maximum(counts, 1), counts)

    def _measured(self, model: Encoder, name: str) -> dict[str, Float64[np.ndarray, " queries"]]:
        labelled, said = self._regions[name]
        templates, scorer = load_prompt_set(self.templates), model.scorer(self.part)
        called = naming_rule(self.labels)(labelled.names)
        texts = [fill(template, one) for one in called for template in templates]
        scores = scorer.regions(labelled.images, labelled.boxes, texts, prefix=self.prefix_token)
        fits = scores.astype(np.float64).reshape(*scores.shape[:2], len(called), -1).mean(axis=3)
        accuracy = right_of(fits[labelled.there], labelled.kinds[labelled.there])
        of_texts = scorer.regions(said.images, said.boxes, said.names, prefix=self.prefix_token)
        ranks = ranks_of(of_texts.astype(np.float64)[said.there], said.kinds[said.there])
        return {
            "accuracy": accuracy,
            **{f"recall_at_{nearest}": (ranks < nearest) * 1.0 for nearest in NEAREST},
        }

    @cached_property
    def _found(self) -> LatestModel:
        return LatestModel()

    @cached_property
    def _regions(self) -> dict[str, tuple[KnownRegions, KnownRegions]]:
        return {
            name: (
                known_regions(name, self.data[name], "label"),
                known_regions(name, self.data[name], "text"),
            )
            for name in self.sets
        }


def right_of(
    scores: Float[np.ndarray, "regions names"], kinds: Int64[np.ndarray, " regions"]
) -> Float64[np.ndarray, " regions"]:
    """Returns 1 where a region's own name alone has the largest score."""
    own = np.take_along_axis(scores, kinds[:, None], axis=1)
    return ((scores >= own).sum(axis=1) == 1) * 1.0


def ranks_of(
    scores: Float[np.ndarray, "regions texts"], kinds: Int64[np.ndarray, " regions"]
) -> Int64[np.ndarray, " texts"]:
    """Returns how many regions that a text is not about score at least as well as the best that it is about."""
    about: Bool[np.ndarray, "regions texts"] = kinds[:, None] == np.arange(scores.shape[1])
    best = np.where(about, scores, -np.inf).max(axis=0)
    ranks: Int64[np.ndarray, " texts"] = (~about & ~(scores < best)).sum(axis=0)
    return ranks


def hit_chance(regions: int, about: int, nearest: int) -> float:
    """Returns how likely one of some regions is among the nearest in a random order."""
    others = np.arange(min(nearest, regions))
    return float(1 - np.prod(np.maximum(regions - about - others, 0) / (regions - others)))
