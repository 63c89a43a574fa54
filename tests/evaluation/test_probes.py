"""Probes on frozen features answer what scikit-learn's classifiers answer."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import LinearSVC

from vlp.evaluation.probes import linear
from vlp.evaluation.probes.few_shot import few_shot_hits, rank_in_class
from vlp.evaluation.probes.linear import LinearProbe
from vlp.evaluation.probes.neighbours import neighbour_votes
from vlp.evaluation.probes.penalties import best_place, penalty_at, search_penalty
from vlp.parallel.mesh import local_mesh

CLASSES = 5


def examples(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Unit rows around a place of each class, far from the origin and of very different variances."""
    rng = np.random.default_rng(seed)
    places = np.random.default_rng(7).normal(size=(CLASSES, 12))
    labels = np.r_[np.arange(CLASSES), rng.integers(0, CLASSES, count - CLASSES)]
    rows = (places[labels] + 1.5 * rng.normal(size=(count, 12))) * 0.7 ** np.arange(12) + 1.0
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), labels


TRAIN, TEST = examples(300, 0), examples(200, 1)


@pytest.mark.parametrize("penalty", [1e-2, 1.0])
def test_the_linear_probe_is_logistic_regression(penalty: float) -> None:
    model = LinearProbe(*TRAIN, CLASSES, tolerance=1e-6).fit(penalty)
    other = LogisticRegression(C=1 / penalty, tol=1e-9, max_iter=10_000)
    other.fit(TRAIN[0].astype(np.float64), TRAIN[1])
    assert model.converged
    np.testing.assert_allclose(model.weights.T, other.coef_, atol=2e-3 * np.abs(other.coef_).max())
    np.testing.assert_array_equal(model.scores(TEST[0]).argmax(axis=1), other.predict(TEST[0]))


def test_the_svm_is_linear_svc() -> None:
    model = LinearProbe(*TRAIN, CLASSES, linear.SVM, tolerance=1e-6).fit(0.5)
    other = LinearSVC(C=2.0, tol=1e-9, max_iter=100_000).fit(TRAIN[0].astype(np.float64), TRAIN[1])
    np.testing.assert_allclose(model.weights.T, other.coef_, atol=2e-3 * np.abs(other.coef_).max())
    np.testing.assert_allclose(model.bias, other.intercept_, atol=2e-3)
    np.testing.assert_array_equal(model.scores(TEST[0]).argmax(axis=1), other.predict(TEST[0]))


def test_rows_without_weight_are_as_if_absent_and_a_near_start_saves_iterations() -> None:
    kept = np.arange(len(TRAIN[1])) % 3 > 0
    whole = LinearProbe(*TRAIN, CLASSES, tolerance=1e-6)
    model = whole.fit(0.1, kept)
    alone = LinearProbe(TRAIN[0][kept], TRAIN[1][kept], CLASSES, tolerance=1e-6).fit(0.1)
    np.testing.assert_allclose(model.weights, alone.weights, atol=2e-3 * np.abs(alone.weights).max())
    again = whole.fit(0.1, kept, model)
    assert again.iterations <= 2 < model.iterations
    np.testing.assert_allclose(again.weights, model.weights, atol=1e-3 * np.abs(alone.weights).max())


def test_the_search_looks_at_every_16th_place_and_halves_around_the_best() -> None:
    asked: list[int] = []

    def score(place: int) -> float:
        asked.append(place)
        return -abs(place - 37)

    scores = search_penalty(score)
    assert asked[:7] == [96, 80, 64, 48, 32, 16, 0] and len(asked) == len(set(asked)) == 7 + 8
    assert best_place(scores) == 37
    assert penalty_at(0) == pytest.approx(1e-6) and penalty_at(96) == pytest.approx(1e6)
    assert best_place(search_penalty(lambda place: 0.0)) == 96  # all alike: the strongest penalty
    assert best_place(search_penalty(lambda place: -place)) == 0  # the edge of the range is reached


@pytest.mark.parametrize("neighbours", [1, 9])
def test_votes_are_those_of_k_neighbors_classifier(neighbours: int) -> None:
    votes = neighbour_votes(*TRAIN, TEST[0], CLASSES, neighbours=neighbours, temperature=0.07)
    other = KNeighborsClassifier(
        neighbours, metric="cosine", algorithm="brute", weights=lambda distances: np.exp(-distances / 0.07)
    ).fit(*TRAIN)
    np.testing.assert_allclose(
        votes / votes.sum(axis=1, keepdims=True), other.predict_proba(TEST[0]), atol=1e-4
    )
    np.testing.assert_array_equal(votes.argmax(axis=1), other.predict(TEST[0]))


def test_few_shots_are_nested_draws_of_a_ridge_classifier() -> None:
    hits = few_shot_hits(*TRAIN, *TEST, shots=4, penalty=0.3, draws=2)
    expected = np.zeros(len(TEST[1]))
    for seed in range(2):
        chosen = rank_in_class(TRAIN[1], seed) < 4
        assert np.bincount(TRAIN[1][chosen]).tolist() == [4] * CLASSES
        assert chosen[rank_in_class(TRAIN[1], seed) < 2].all()
        ridge = RidgeClassifier(alpha=0.3).fit(TRAIN[0][chosen], TRAIN[1][chosen])
        expected += ridge.predict(TEST[0]) == TEST[1]
    np.testing.assert_array_equal(hits, expected / 2)


def test_a_run_that_has_a_mesh_probes_on_one_device() -> None:
    expected = LinearProbe(*TRAIN, CLASSES).fit(0.1)
    with jax.set_mesh(local_mesh()):
        found = LinearProbe(*TRAIN, CLASSES).fit(0.1)
    np.testing.assert_array_equal(found.weights, expected.weights)
