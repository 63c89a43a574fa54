"""Whether images are of a kind that is looked for: F1 by slice, at a threshold from other data, and under attack."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Float64, Int

from input_pipeline.errors import UserError
from input_pipeline.views.class_names import naming_rule
from vlp.evaluation.cache import LatestModel
from vlp.evaluation.detection.attacks import ATTACKS
from vlp.evaluation.detection.rule import (
    Rule,
    chosen_labels,
    direction_of_examples,
    direction_of_texts,
    f1,
    f1_of_always_yes,
    with_threshold,
)
from vlp.evaluation.detection.saliency import lost, random_maps, saliency
from vlp.evaluation.exhibits import Exhibit, ScoreMap, ScoreMaps, Table
from vlp.evaluation.protocols import Encoder, EvaluationSet, OnSets, PixelPath
from vlp.evaluation.texts.prompt_sets import fill, load_prompt_set

BLOCK = 64  # images attacked at a time
SHOWN = 8  # images with their map


@dataclass(frozen=True)
class Detector(OnSets):
    """Yes or no of each labelled image, as UnsafeBench asks it (arXiv 2405.03486); what is looked for is a setting.

    Attributes:
        train_sets: one set, whose labelled images fit the probe, and choose the threshold without validation_sets.
        validation_sets: one set that chooses the threshold, where F1 is highest there; () = the training set.
        positive: labels that mean yes, or patterns of them; () = the first label in order.
        by: 'probe' is a logistic regression on frozen rows, 'texts' the names of both sides in prompts.
        templates: prompt set of the names.
        labels: rule from labels to names.
        penalty: of the probe's weights.
        slices: columns of `columns.extras` whose values are measured by themselves.
        attacked: images that are attacked and explained, evenly spread; 0 = none.
        budget: of an attack, in shares of the range of a pixel's value.
        steps: of PGD.
    """

    train_sets: tuple[str, ...]
    validation_sets: tuple[str, ...]
    positive: tuple[str, ...]
    by: str
    templates: str
    labels: str
    penalty: float
    slices: tuple[str, ...]
    attacked: int
    budget: float
    steps: int

    def __post_init__(self) -> None:
        if len(self.train_sets) != 1 or len(self.validation_sets) > 1:
            raise UserError(
                f"evaluators.{self.name} takes one of train_sets and at most one of validation_sets: it is given "
                f"{len(self.train_sets)} and {len(self.validation_sets)}"
            )

    def check(self) -> None:
        """Sees that every set has images of both sides, and the columns of the slices."""
        for name in dict.fromkeys((*self.sets, *self.train_sets, *self.validation_sets)):
            self._sides(name)
        for name in self.sets:
            if missing := [one for one in self.slices if one not in self.data[name].slices]:
                raise UserError(
                    f"evaluators.{self.name}.slices: set {name!r} has no column {missing[0]!r}: name it in the set's "
                    "columns.extras"
                )

    def __call__(self, model: Encoder) -> dict[str, float]:
        figures: dict[str, float] = {}
        for name in self.sets:
            rows, positive = self._sides(name)
            answered = self._scores(model, name) >= 0
            own = {"f1": f1(answered, positive), "accuracy": float(np.mean(answered == positive))}
            for called, chosen in self._slices(name, rows):
                own[f"{called}/f1"] = f1(answered[chosen], positive[chosen])
            if self.attacked:
                attacked = functools.partial(self._attacks, model, name)
                own |= self._found.once(model, f"attacks on {name}", attacked)
            figures |= {f"{self.name}/{name}/{figure}": value for figure, value in own.items()}
        return figures

    def chance(self) -> dict[str, float]:
        """Returns what saying yes to every image reaches, and of accuracy the more frequent answer."""
        chance: dict[str, float] = {}
        for name in self.sets:
            rows, positive = self._sides(name)
            own = {
                "f1": f1_of_always_yes(positive),
                "accuracy": float(max(positive.mean(), 1 - positive.mean())),
            }
            own |= {f"{called}/f1": f1_of_always_yes(positive[at]) for called, at in self._slices(name, rows)}
            chance |= {f"{self.name}/{name}/{figure}": value for figure, value in own.items()}
        return chance

    def outcomes(self, model: Encoder) -> dict[str, Float[np.ndarray, " queries"]]:
        return {
            f"{self.name}/{name}/accuracy": ((self._scores(model, name) >= 0) == self._sides(name)[1]) * 1.0
            for name in self.sets
        }

    def exhibits(self, model: Encoder) -> Iterable[Exhibit]:
        """Yields the slices, and some images with the places that decided."""
        for name in self.sets:
            rows, positive = self._sides(name)
            answered = self._scores(model, name) >= 0
            found = [
                [
                    called,
                    f"{100 * f1(answered[at], positive[at]):.1f}%",
                    f"{positive[at].sum()} of {at.sum()}",
                ]
                for called, at in self._slices(name, rows)
            ]
            if found:
                yield Table(f"{name}: F1 of each slice", ["slice", "F1", "yes among images"], found)
            if self.attacked:
                yield self._maps(model, name)

    def remarks(self, model: Encoder) -> list[str]:
        yes = chosen_labels(self.data[self.train_sets[0]].labels, self.positive)
        chosen_on = (self.validation_sets or self.train_sets)[0]
        return [f"{self.name}/: yes is {', '.join(yes)}; the threshold is that of the best F1 on {chosen_on}"]

    def _maps(self, model: Encoder, name: str) -> ScoreMaps:
        chosen = self._chosen(name)[:SHOWN]
        pictures = self.data[name].images[self._sides(name)[0][chosen]]
        maps = saliency(model.pixels(), self._rule(model), pictures.astype(np.float32) / 255)
        said = np.where(self._scores(model, name)[chosen] >= 0, "yes", "no")
        shown = [ScoreMap(*one) for one in zip(pictures, said.tolist(), maps, strict=True)]
        return ScoreMaps(f"{name}: what speaks for the answer", shown)

    def _attacks(self, model: Encoder, name: str) -> dict[str, float]:
        """F1 of the attacked images as they are and under each attack; what blanking decisive places takes away."""
        chosen, path, rule = self._chosen(name), model.pixels(), self._rule(model)
        rows, positive = self._sides(name)
        kinds = ["none", *ATTACKS]
        answered: dict[str, list[Bool[np.ndarray, " block"]]] = {kind: [] for kind in kinds}
        moved: dict[str, list[Float64[np.ndarray, " block"]]] = {"deletion": [], "deletion_of_random": []}
        for start in range(0, len(chosen), BLOCK):
            own = chosen[start : start + BLOCK]
            pixels = self.data[name].images[rows[own]].astype(np.float32) / 255
            for kind, changed in self._changed(path, rule, pixels, positive[own]):
                answered[kind].append(rule.scores(path.encode(changed)) >= 0)
            moved["deletion"].append(lost(path, rule, pixels, saliency(path, rule, pixels)))
            moved["deletion_of_random"].append(lost(path, rule, pixels, random_maps(len(own))))
        figures = {
            f"attack_{kind}/f1": f1(np.concatenate(blocks), positive[chosen])
            for kind, blocks in answered.items()
        }
        return figures | {kind: float(np.concatenate(values).mean()) for kind, values in moved.items()}

    def _changed(
        self,
        path: PixelPath,
        rule: Rule,
        pixels: Float[np.ndarray, "n h w 3"],
        positive: Bool[np.ndarray, " n"],
    ) -> Iterator[tuple[str, Float[np.ndarray, "n h w 3"]]]:
        yield "none", pixels
        for kind, attack in ATTACKS.items():
            sides = np.where(positive, 1.0, -1.0)
            yield kind, attack(path, rule, pixels, sides, self.budget, self.steps)

    def _chosen(self, name: str) -> Int[np.ndarray, " attacked"]:
        count = len(self._sides(name)[0])
        return np.unique(np.linspace(0, count - 1, min(self.attacked, count)).round().astype(int))

    def _slices(self, name: str, rows: Int[np.ndarray, " n"]) -> Iterator[tuple[str, Bool[np.ndarray, " n"]]]:
        for column in self.slices:
            values = np.array(self.data[name].slices[column])[rows]
            for value in sorted(set(values.tolist()) - {""}):
                yield f"{column}={value}", values == value

    def _scores(self, model: Encoder, name: str) -> Float64[np.ndarray, " n"]:
        return self._rule(model).scores(_encoded(model, self.data[name], self._sides(name)[0]))

    def _rule(self, model: Encoder) -> Rule:
        return self._found.once(model, "rule", lambda: self._fitted(model))

    def _fitted(self, model: Encoder) -> Rule:
        train = self.train_sets[0]
        rows, positive = self._sides(train)
        if self.by == "texts":
            direction = direction_of_texts(*(self._prompts(model, train, side) for side in (True, False)))
        else:
            direction = direction_of_examples(_encoded(model, self.data[train], rows), positive, self.penalty)
        chosen_on = (self.validation_sets or self.train_sets)[0]
        rows, positive = self._sides(chosen_on)
        return with_threshold(direction, _encoded(model, self.data[chosen_on], rows), positive)

    def _prompts(self, model: Encoder, name: str, positive: bool) -> Float[np.ndarray, "texts dim"]:
        labels, yes = sorted(set(self.data[name].labels) - {""}), self._positive(name)
        names = naming_rule(self.labels)([label for label in labels if (label in yes) == positive])
        texts = [fill(template, one) for one in names for template in load_prompt_set(self.templates)]
        return model.encode_text(texts)

    def _positive(self, name: str) -> Sequence[str]:
        """Labels that mean yes: without patterns one of the training set, whichever set is asked about."""
        known = self.data[name if self.positive else self.train_sets[0]].labels
        return chosen_labels(known, self.positive)

    def _sides(self, name: str) -> tuple[Int[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
        """The labelled rows of a set, and which of them are yes."""
        labels, yes = np.array(self.data[name].labels), self._positive(name)
        rows = np.flatnonzero(labels != "")
        positive = np.isin(labels[rows], yes)
        if not len(rows) or positive.all() or not positive.any():
            raise UserError(
                f"evaluators.{self.name}: set {name!r} has {positive.sum()} images of yes among {len(rows)} that are "
                f"labelled, and needs both: name labels, or patterns of them, in positive"
            )
        return rows, positive

    @cached_property
    def _found(self) -> LatestModel:
        return LatestModel()


def _encoded(model: Encoder, data: EvaluationSet, rows: Int[np.ndarray, " n"]) -> Float[np.ndarray, "n dim"]:
    return model.encode_image_array(data.images)[rows]
