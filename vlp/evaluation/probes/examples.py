"""Which images of a training, a validation and a test set probes are fitted to and measured on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from jaxtyping import Bool, Float, Int

from input_pipeline.errors import UserError
from vlp.evaluation.probes.folds import Folds, folds_of, last
from vlp.evaluation.protocols import Encoder, EvaluationSet

Rows = Float[np.ndarray, "n dim"]
NONE: Rows = np.zeros((0, 0), np.float32)


@dataclass(frozen=True)
class _Examples:
    """Rows of a training set, of a validation set behind it, and of a test set; `folds` say where to choose on."""

    train_sets: tuple[tuple[EvaluationSet, Int[np.ndarray, " chosen"]], ...]
    test_set: tuple[EvaluationSet, Int[np.ndarray, " chosen"]]
    folds: Folds
    train: Rows
    test: Rows

    @property
    def held_out(self) -> Bool[np.ndarray, " train"]:
        """The examples that some fold holds out."""
        return self.folds >= 0

    def encoded(self, model: Encoder) -> Self:
        """Returns the same with embeddings."""
        return replace(self, train=_encode(model, *self.train_sets), test=_encode(model, self.test_set))


@dataclass(frozen=True)
class ClassExamples(_Examples):
    """With one class each. `train` and `test` are empty until they are encoded."""

    names: list[str]
    train_labels: Int[np.ndarray, " train"]
    test_labels: Int[np.ndarray, " test"]


@dataclass(frozen=True)
class TagExamples(_Examples):
    """With any number of tags each."""

    names: list[str]
    train_targets: Bool[np.ndarray, "train tags"]
    test_targets: Bool[np.ndarray, "test tags"]


def class_examples(
    name: str, train: EvaluationSet, validation: EvaluationSet | None, test: EvaluationSet
) -> ClassExamples:
    """Returns the labelled images of all three; classes are those of the training set.

    Raises:
      ValueError: the training set has fewer than two classes, or another set none of them.
    """
    names = sorted({label for label in train.labels if label})
    if len(names) < 2:
        raise UserError(f"the training set of {name!r} has {len(names)} classes: probes need two or more")
    number = {label: place for place, label in enumerate(names)}
    fitted = [(one, _labelled(one, number)) for one in (train, validation) if one is not None]
    chosen = _labelled(test, number)
    if not len(chosen):
        raise UserError(f"evaluation set {name!r} has none of the {len(names)} classes of its training set")
    if validation is not None and not len(fitted[1][1]):
        raise UserError(
            f"the validation set of {name!r} has none of the {len(names)} classes of its training set"
        )
    labels = [np.array([number[one.labels[row]] for row in rows], np.int64) for one, rows in fitted]
    return ClassExamples(
        tuple(fitted),
        (test, chosen),
        folds_of(labels[0]) if validation is None else last(labels),
        NONE,
        NONE,
        names,
        np.concatenate(labels),
        np.array([number[test.labels[row]] for row in chosen]),
    )


def tag_examples(train: EvaluationSet, validation: EvaluationSet | None, test: EvaluationSet) -> TagExamples:
    """Returns the images of all three that have tags; tags are those that both training and test set have."""
    names = sorted({tag for own in train.tags for tag in own} & {tag for own in test.tags for tag in own})
    number = {tag: place for place, tag in enumerate(names)}
    fitted = [(one, _tagged(one)) for one in (train, validation) if one is not None]
    chosen = _tagged(test)
    targets = [_indicators(one, rows, number) for one, rows in fitted]
    any_class = np.zeros(len(targets[0]), np.int64)
    folds = folds_of(any_class) if validation is None else last(targets)
    test_targets = _indicators(test, chosen, number)
    return TagExamples(
        tuple(fitted), (test, chosen), folds, NONE, NONE, names, np.concatenate(targets), test_targets
    )


def _encode(model: Encoder, *sets: tuple[EvaluationSet, Int[np.ndarray, " chosen"]]) -> Rows:
    return np.concatenate([model.encode_image_array(one.images)[rows] for one, rows in sets])


def _labelled(one: EvaluationSet, number: dict[str, int]) -> Int[np.ndarray, " chosen"]:
    return np.array([row for row, label in enumerate(one.labels) if label in number], np.int64)


def _tagged(one: EvaluationSet) -> Int[np.ndarray, " chosen"]:
    return np.array([row for row, tags in enumerate(one.tags) if tags], np.int64)


def _indicators(
    one: EvaluationSet, rows: Int[np.ndarray, " chosen"], number: dict[str, int]
) -> Bool[np.ndarray, "chosen tags"]:
    targets = np.zeros((len(rows), len(number)), bool)
    for place, row in enumerate(rows):
        targets[place, [number[tag] for tag in one.tags[row] if tag in number]] = True
    return targets
