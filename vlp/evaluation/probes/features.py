"""What simple classifiers on frozen image embeddings reach: trained on one set, measured on another."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float

from input_pipeline.errors import UserError
from vlp.evaluation.cache import LatestModel
from vlp.evaluation.exhibits import Bars, Confusion, Exhibit, Table
from vlp.evaluation.probes.examples import ClassExamples, TagExamples, class_examples, tag_examples
from vlp.evaluation.probes.penalties import penalty_at
from vlp.evaluation.probes.suite import Answers, Settings, class_answers, tag_answers
from vlp.evaluation.protocols import Encoder, OnSets
from vlp.evaluation.tagging.figures import chance_average_precision
from vlp.evaluation.texts.class_names import left_out_remarks

PARTS = ("linear_probe", "knn", "svm", "few_shot", "tags")


@dataclass(frozen=True)
class Features(OnSets):
    """Linear probe, nearest neighbours, linear SVM, few-shot ridge, and a probe of tags.

    Classes are those of the training set; images of the evaluation set with a label that is none of them, or without
    a label, are left out.

    Attributes:
        sets: to measure on.
        train_sets: to train on, one for each of `sets`, or one for all.
        validation_sets: to choose penalties on, likewise, and then to train on as well; () = every fifth training
          example of each class, or of all for tags; of classes with too few for that, all in five folds.
        parts: of the suite, of PARTS.
        neighbours: that vote.
        temperature: of their votes.
        svm_penalty: 1 / C.
        ridge_penalty: of the few-shot classifier.
        shots: examples of each class that it is shown.
    """

    train_sets: tuple[str, ...]
    validation_sets: tuple[str, ...]
    parts: tuple[str, ...]
    neighbours: int
    temperature: float
    svm_penalty: float
    ridge_penalty: float
    shots: tuple[int, ...]

    reads: ClassVar[frozenset[str]] = frozenset({"image"})

    def __post_init__(self) -> None:
        for option, known in (("parts", PARTS), ("train_sets", self.data), ("validation_sets", self.data)):
            for one in getattr(self, option):
                if one not in known:
                    raise UserError(f"evaluators.features.{option}: {one!r} is not one of {', '.join(known)}")
        _paired("train_sets", self.train_sets, self.sets)
        if self.validation_sets:
            _paired("validation_sets", self.validation_sets, self.sets)

    def __call__(self, model: Encoder) -> dict[str, float]:
        return {
            f"{self.name}/{name}/{figure}": value
            for name in self.sets
            for answers in self._answers(model, name)
            for figure, value in answers.figures.items()
        }

    def chance(self) -> dict[str, float]:
        """Returns the figures of features that say nothing: the answer is the most frequent class of the training set,
        or from as many examples of each class any of them."""
        chance: dict[str, float] = {}
        for name in self.sets:
            for figure, value in self._chance_on(name).items():
                chance[f"{self.name}/{name}/{figure}"] = value
        return chance

    def outcomes(self, model: Encoder) -> dict[str, Float[np.ndarray, " queries"]]:
        """Tells whether each image was classified right; the average precision of each tag."""
        return {
            f"{self.name}/{name}/{figure}": values
            for name in self.sets
            for answers in self._answers(model, name)
            for figure, values in answers.outcomes.items()
        }

    def exhibits(self, model: Encoder) -> Iterable[Exhibit]:
        """Yields what the linear probe shows: accuracy of each class, confusion, and the accuracies of the search."""
        for name in self.sets:
            for answers in self._answers(model, name):
                if answers.predicted is not None:
                    yield from _exhibits(name, self._classes(name), answers.predicted)
                if answers.searched:
                    head = ("penalty", "validation score")
                    rows = [
                        (f"{penalty_at(place):.3g}", f"{score:.4f}")
                        for place, score in sorted(answers.searched.items())
                    ]
                    yield Table(f"{name}: search for the penalty of {answers.part}", head, rows)

    def remarks(self, model: Encoder) -> list[str]:
        """Returns how penalties were chosen, and whose classes the training set lacks."""
        asked = self.sets if set(self.parts) != {"tags"} else ()
        left_out = [
            remark
            for name in asked
            for remark in left_out_remarks(
                f"{self.name}/{name}", self.data[name], self.data[self._trained_on(name)[0]]
            )
        ]
        return left_out + [
            f"{self.name}/{name}/{answers.part}: {answers.remark}"
            for name in self.sets
            for answers in self._answers(model, name)
            if answers.remark
        ]

    @cached_property
    def _found(self) -> LatestModel:
        return LatestModel()

    @cached_property
    def _examples(self) -> dict[str, tuple[ClassExamples, TagExamples]]:
        return {}

    def _own(self, name: str) -> tuple[ClassExamples, TagExamples]:
        """The rows of the three sets, chosen once by their labels and tags alone."""
        if name not in self._examples:
            train, *validation = (self.data[one] for one in self._trained_on(name))
            whole = train, validation[0] if validation else None, self.data[name]
            self._examples[name] = class_examples(name, *whole), tag_examples(*whole)
        return self._examples[name]

    def _trained_on(self, name: str) -> list[str]:
        """The training set for a set, and the validation set where there is one."""
        place = self.sets.index(name)
        return [
            given[place if len(given) > 1 else 0]
            for given in (self.train_sets, self.validation_sets)
            if given
        ]

    def _classes(self, name: str) -> ClassExamples:
        return self._own(name)[0]

    def _answers(self, model: Encoder, name: str) -> list[Answers]:
        def compute() -> list[Answers]:
            classes, tags = self._own(name)
            settings = Settings(
                self.neighbours, self.temperature, self.svm_penalty, self.ridge_penalty, self.shots
            )
            trained_on = ",".join(self._trained_on(name))

            def fitted(part: str, fit: Callable[[], Any]) -> Any:
                return self._found.once(model, f"{part} trained on {trained_on}", fit)

            encoded = classes.encoded(model)
            found = [class_answers(part, encoded, settings, fitted) for part in self.parts if part != "tags"]
            if "tags" in self.parts and tags.names:
                found.append(tag_answers(tags.encoded(model)))
            return found

        return self._found.once(model, name, compute)

    def _chance_on(self, name: str) -> dict[str, float]:
        classes, tags = self._own(name)
        frequent = float(np.mean(classes.test_labels == np.bincount(classes.train_labels).argmax()))
        chance: dict[str, float] = {}
        for part in self.parts:
            if part == "few_shot":
                chance |= {f"few_shot/top1@{shots}": 1 / len(classes.names) for shots in self.shots}
            elif part != "tags":
                chance[f"{part}/top1"] = frequent
                chance[f"{part}/mean_per_class"] = 1 / len(np.unique(classes.test_labels))
            elif tags.names:
                counts = tags.test_targets.sum(axis=0)
                each = [chance_average_precision(int(right), len(tags.test_targets)) for right in counts]
                chance["tags/mean_average_precision"] = float(np.mean(each))
        return chance


def _paired(option: str, given: tuple[str, ...], sets: tuple[str, ...]) -> None:
    if len(given) not in (1, len(sets)):
        raise UserError(
            f"evaluators.features.{option} names {len(given)} sets for {len(sets)} in evaluators.features.sets: "
            "give one for each, or one for all"
        )


def _exhibits(name: str, classes: ClassExamples, predicted: np.ndarray) -> Iterable[Exhibit]:
    labels, count = classes.test_labels, len(classes.names)
    counts = np.zeros((count, count), np.int64)
    np.add.at(counts, (labels, predicted), 1)
    occurring = np.flatnonzero(counts.sum(axis=1))
    total = counts.sum(axis=1)[occurring]
    shares = np.diag(counts)[occurring] / total
    seen = [classes.names[row] for row in occurring]
    yield Bars(f"{name}: linear probe by class", seen, shares, total, each=True)
    yield Confusion(f"{name}: confusion of the linear probe", classes.names, counts)
