"""The parts of the frozen-feature suite on encoded examples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from vlp.evaluation.figures import mean_per_class
from vlp.evaluation.probes.examples import ClassExamples, TagExamples
from vlp.evaluation.probes.few_shot import few_shot_hits
from vlp.evaluation.probes.folds import Folds, in_words
from vlp.evaluation.probes.linear import LOGISTIC, SVM, LinearModel, LinearProbe
from vlp.evaluation.probes.neighbours import neighbour_votes
from vlp.evaluation.probes.penalties import at_edge, best_place, penalty_at, search_penalty
from vlp.evaluation.tagging.figures import average_precisions

# Gives what is kept under a name, or computes and keeps it: classifiers outlast the test set they are asked about.
Fitted = Callable[[str, Callable[[], Any]], Any]

OF_EQUALS = (
    1e-9  # weight of the log-loss beside the accuracy: of equally many hits, the better probabilities win
)
UNSEARCHED = 1.0  # scikit-learn's default, where no example can be held out


@dataclass(frozen=True)
class Settings:
    """Settings of the parts that have any; see `vlp.evaluation.probes.features.Features`."""

    neighbours: int
    temperature: float
    svm_penalty: float
    ridge_penalty: float
    shots: tuple[int, ...]


@dataclass(frozen=True)
class Answers:
    """Holds what one part of the suite found.

    Attributes:
      part: its name.
      figures: by name.
      outcomes: the values that some figures are means of.
      predicted: the class of every test image, of the linear probe.
      searched: validation scores of the penalties looked at, by their places.
      remark: how the penalty was chosen; '' where there was nothing to choose.
    """

    part: str
    figures: dict[str, float]
    outcomes: dict[str, Float[np.ndarray, " queries"]]
    predicted: Int[np.ndarray, " test"] | None = None
    searched: dict[int, float] = field(default_factory=dict)
    remark: str = ""


def class_answers(part: str, examples: ClassExamples, settings: Settings, fitted: Fitted) -> Answers:
    """Returns the answers of 'linear_probe', 'knn', 'svm' or 'few_shot'."""
    return _CLASSIFIERS[part](examples, settings, fitted)


def tag_answers(examples: TagExamples) -> Answers:
    """Returns the mean average precision over tags of ridge regressions, their penalty chosen for all together.

    Squared errors have their optimum in closed form, whatever the number of tags; a logistic regression for each of
    some hundred rare tags takes a thousand times as long, to rank images no better.
    """
    from sklearn.linear_model import Ridge

    rows, targets = examples.train.astype(np.float64), examples.train_targets.astype(np.float64)

    def ridge(penalty: float, chosen: np.ndarray) -> Ridge:
        return Ridge(alpha=penalty, solver="cholesky").fit(rows[chosen], targets[chosen])

    def score(place: int) -> float:
        found = np.zeros_like(targets)
        for fold in _numbers(examples.folds):
            held_out = examples.folds == fold
            found[held_out] = (
                ridge(penalty_at(place), ~held_out).predict(rows[held_out]).reshape(-1, targets.shape[1])
            )
        kept = examples.held_out
        precisions = average_precisions(found[kept], _signs(examples.train_targets[kept]))
        return float(precisions.mean()) if len(precisions) else 0.0

    searched = search_penalty(score) if examples.held_out.any() else {}
    model = ridge(penalty_at(best_place(searched)) if searched else UNSEARCHED, np.ones(len(rows), bool))
    found = model.predict(examples.test.astype(np.float64)).reshape(-1, len(examples.names))
    precisions = average_precisions(found, _signs(examples.test_targets))
    figure = "tags/mean_average_precision"
    return Answers(
        "tags",
        {figure: float(precisions.mean())},
        {figure: precisions},
        searched=searched,
        remark=_remark(searched, examples.folds),
    )


def searched_fit(
    probe: LinearProbe, folds: Folds, hits: Callable[[LinearModel, Bool[np.ndarray, " n"]], np.ndarray]
) -> tuple[LinearModel, dict[int, float]]:
    """Returns the fit to all rows with the penalty that does best on rows not fitted to, and the scores of the search.

    Each fit begins where that of the nearest penalty ended, which changes how long it takes and nothing else. Where
    nothing is held out there is no search, and the penalty is UNSEARCHED.

    Args:
      probe: with all rows.
      folds: the fold that holds each row out, -1 for none.
      hits: how well a fit does on each of some rows, by their mask.
    """
    numbers, fits = _numbers(folds), dict[tuple[int, int], LinearModel]()
    if not numbers:
        return probe.fit(UNSEARCHED), {}

    def score_at(place: int) -> float:
        nearest = min((known for known, _ in fits), key=lambda other: abs(other - place), default=None)
        found = []
        for fold in numbers:
            start = fits[nearest, fold] if nearest is not None else None
            fits[place, fold] = probe.fit(penalty_at(place), folds != fold, start)
            found.append(hits(fits[place, fold], folds == fold))
        return float(np.concatenate(found).mean())

    searched = search_penalty(score_at)
    best = best_place(searched)
    return probe.fit(penalty_at(best), start=fits[best, numbers[0]]), searched


def _numbers(folds: Folds) -> list[int]:
    return np.unique(folds[folds >= 0]).tolist()


def _remark(searched: dict[int, float], folds: Folds) -> str:
    """How a penalty was chosen, and whether a better one may lie beyond the range."""
    if not searched:
        return f"penalty {UNSEARCHED:g}, which nothing chose: no class has two examples; name validation_sets"
    chosen = f"penalty {penalty_at(best_place(searched)):.3g}, chosen on {in_words(folds)}"
    edge = at_edge(searched)
    return f"{chosen}; it is the {edge} of the search, and a better one may lie beyond" if edge else chosen


def _linear_probe(examples: ClassExamples, settings: Settings, fitted: Fitted) -> Answers:
    model, searched = fitted("linear_probe", lambda: _searched(examples))
    answers = _classified("linear_probe", model.scores(examples.test), examples, searched)
    return replace(answers, remark=_remark(searched, examples.folds))


def _searched(examples: ClassExamples) -> tuple[LinearModel, dict[int, float]]:
    probe = LinearProbe(examples.train, examples.train_labels, len(examples.names), LOGISTIC)

    def hits(model: LinearModel, rows: Bool[np.ndarray, " n"]) -> Float[np.ndarray, " rows"]:
        scores, labels = model.scores(examples.train[rows]).astype(np.float64), examples.train_labels[rows]
        losses = np.logaddexp.reduce(scores, axis=1) - scores[np.arange(len(labels)), labels]
        return (scores.argmax(axis=1) == labels) - OF_EQUALS * losses

    return searched_fit(probe, examples.folds, hits)


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
