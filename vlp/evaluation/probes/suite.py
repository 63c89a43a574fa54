"""The parts of the frozen-feature suite on encoded examples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from vlp.evaluation.figures import mean_per_class
from vlp.evaluation.probes.examples import ClassExamples, TagExamples
from vlp.evaluation.probes.few_shot import few_shot_hits
from vlp.evaluation.probes.linear import LOGISTIC, SVM, LinearModel, LinearProbe
from vlp.evaluation.probes.neighbours import neighbour_votes
from vlp.evaluation.probes.penalties import best_place, penalty_at, search_penalty
from vlp.evaluation.tagging.figures import average_precisions

# Gives what is kept under a name, or computes and keeps it: classifiers outlast the test set they are asked about.
Fitted = Callable[[str, Callable[[], Any]], Any]


@dataclass(frozen=True)
class Settings:
    """Of the parts that have any; see `vlp.evaluation.probes.features.Features`."""

    neighbours: int
    temperature: float
    svm_penalty: float
    ridge_penalty: float
    shots: tuple[int, ...]


@dataclass(frozen=True)
class Answers:
    """What one part of the suite found.

    Attributes:
      part: its name.
      figures: by name.
      outcomes: the values that some figures are means of.
      predicted: the class of every test image, of the linear probe.
      searched: validation scores of the penalties looked at, by their places.
    """

    part: str
    figures: dict[str, float]
    outcomes: dict[str, Float[np.ndarray, " queries"]]
    predicted: Int[np.ndarray, " test"] | None = None
    searched: dict[int, float] = field(default_factory=dict)


def class_answers(part: str, examples: ClassExamples, settings: Settings, fitted: Fitted) -> Answers:
    """Of 'linear_probe', 'knn', 'svm' or 'few_shot'."""
    return _CLASSIFIERS[part](examples, settings, fitted)


def tag_answers(examples: TagExamples) -> Answers:
    """Mean average precision over tags of a ridge regression onto each, its penalty chosen for all together.

    Squared errors have their optimum in closed form, whatever the number of tags; a logistic regression for each of
    some hundred rare tags takes a thousand times as long, to rank images no better.
    """
    from sklearn.linear_model import Ridge

    rows, targets = examples.train.astype(np.float64), examples.train_targets.astype(np.float64)
    fit_on, held_out = ~examples.held_out, examples.held_out

    def ridge(place: int, chosen: np.ndarray) -> Ridge:
        return Ridge(alpha=penalty_at(place), solver="cholesky").fit(rows[chosen], targets[chosen])

    def score(place: int) -> float:
        found = ridge(place, fit_on).predict(rows[held_out]).reshape(-1, len(examples.names))
        precisions = average_precisions(found, _signs(examples.train_targets[held_out]))
        return float(precisions.mean()) if len(precisions) else 0.0

    searched = search_penalty(score)
    model = ridge(best_place(searched), np.ones_like(held_out))
    found = model.predict(examples.test.astype(np.float64)).reshape(-1, len(examples.names))
    precisions = average_precisions(found, _signs(examples.test_targets))
    figure = "tags/mean_average_precision"
    return Answers("tags", {figure: float(precisions.mean())}, {figure: precisions}, searched=searched)


def searched_fit(
    probe: LinearProbe, held_out: np.ndarray, score: Callable[[LinearModel], float]
) -> tuple[LinearModel, dict[int, float]]:
    """The fit to all rows with the penalty that does best on those held out, and the scores of the search.

    Each fit begins where that of the nearest penalty ended, which changes how long it takes and nothing else.
    """
    fits: dict[int, LinearModel] = {}

    def score_at(place: int) -> float:
        nearest = min(fits, key=lambda other: abs(other - place), default=None)
        start = fits[nearest] if nearest is not None else None
        fits[place] = probe.fit(penalty_at(place), ~held_out, start)
        return score(fits[place])

    searched = search_penalty(score_at)
    best = best_place(searched)
    return probe.fit(penalty_at(best), start=fits[best]), searched


def _linear_probe(examples: ClassExamples, settings: Settings, fitted: Fitted) -> Answers:
    model, searched = fitted("linear_probe", lambda: _searched(examples))
    return _classified("linear_probe", model.scores(examples.test), examples, searched)


def _searched(examples: ClassExamples) -> tuple[LinearModel, dict[int, float]]:
    probe = LinearProbe(examples.train, examples.train_labels, len(examples.names), LOGISTIC)
    held_out = examples.held_out

    def score(model: LinearModel) -> float:
        found = model.scores(examples.train[held_out]).argmax(axis=1)
        return float(np.mean(found == examples.train_labels[held_out])) if held_out.any() else 0.0

    return searched_fit(probe, held_out, score)


def _knn(examples: ClassExamples, settings: Settings, fitted: Fitted) -> Answers:
    votes = neighbour_votes(
        examples.train,
        examples.train_labels,
        examples.test,
        len(examples.names),
        neighbours=settings.neighbours,
        temperature=settings.temperature,
    )
    return _classified("knn", votes, examples)


def _svm(examples: ClassExamples, settings: Settings, fitted: Fitted) -> Answers:
    def fit() -> LinearModel:
        probe = LinearProbe(examples.train, examples.train_labels, len(examples.names), SVM)
        return probe.fit(settings.svm_penalty)

    model = fitted("svm", fit)
    return _classified("svm", model.scores(examples.test), examples)


def _few_shot(examples: ClassExamples, settings: Settings, fitted: Fitted) -> Answers:
    hits = {
        f"few_shot/top1@{shots}": few_shot_hits(
            examples.train,
            examples.train_labels,
            examples.test,
            examples.test_labels,
            shots=shots,
            penalty=settings.ridge_penalty,
        )
        for shots in settings.shots
    }
    return Answers("few_shot", {name: float(values.mean()) for name, values in hits.items()}, hits)


_CLASSIFIERS: dict[str, Callable[[ClassExamples, Settings, Fitted], Answers]] = {
    "linear_probe": _linear_probe,
    "knn": _knn,
    "svm": _svm,
    "few_shot": _few_shot,
}


def _classified(
    part: str,
    scores: Float[np.ndarray, "test classes"],
    examples: ClassExamples,
    searched: dict[int, float] | None = None,
) -> Answers:
    """Of the class with the highest score; of equal ones the first, as scikit-learn has it."""
    predicted = scores.argmax(axis=1)
    hits = (predicted == examples.test_labels).astype(np.float64)
    figures = {
        f"{part}/top1": float(hits.mean()),
        f"{part}/mean_per_class": mean_per_class(np.where(hits > 0, 1, 2), examples.test_labels),
    }
    shown = predicted if part == "linear_probe" else None
    return Answers(part, figures, {f"{part}/top1": hits}, shown, searched or {})


def _signs(targets: np.ndarray) -> np.ndarray:
    return np.where(targets, 1, -1)
