"""Intervals against the normal approximation, brute force and known cases."""

from __future__ import annotations

import numpy as np
import pytest

from vlp.evaluation.comparison import bootstrap
from vlp.evaluation.comparison.bootstrap import RESAMPLES, difference_interval, mean_interval, resampled_means


@pytest.mark.parametrize("kind", ["hits", "scores"])
def test_the_interval_of_a_mean_is_that_of_the_normal_law(kind: str) -> None:
    rng = np.random.default_rng(0)
    values = (rng.random(1000) < 0.3).astype(float) if kind == "hits" else rng.normal(2.0, 0.5, 1000)
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert mean_interval(values) == pytest.approx((values.mean() - half, values.mean() + half), abs=half / 8)


def test_both_ways_of_drawing_have_the_same_law(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(1).integers(0, 4, (2, 50)).astype(float)
    at_once = resampled_means(values, np.random.default_rng(2))
    monkeypatch.setattr(bootstrap, "_FEW", 0)
    monkeypatch.setattr(bootstrap, "_CELLS", 1000)  # in many blocks
    one_by_one = resampled_means(values, np.random.default_rng(3))
    assert at_once.shape == one_by_one.shape == (2, RESAMPLES)
    covariance = np.cov(values) * 49 / 50 / 50
    for means in (at_once, one_by_one):
        np.testing.assert_allclose(means.mean(axis=1), values.mean(axis=1), atol=0.02)
        np.testing.assert_allclose(np.cov(means), covariance, atol=0.1 * covariance.max())


def test_an_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(4)
    covered = 0
    for _ in range(200):
        low, high = mean_interval((rng.random(300) < 0.2).astype(float))
        covered += low <= 0.2 <= high
    assert 0.9 <= covered / 200 <= 0.99


def test_pairs_make_a_small_difference_sure() -> None:
    rng = np.random.default_rng(5)
    hard = rng.random(500)
    first, second = (hard > 0.5).astype(float)[None], (hard > 0.45).astype(float)[None]
    low, high = difference_interval(first, second, same_seeds=True)
    assert 0 < low < second.mean() - first.mean() < high
    shuffled = rng.permutation(second[0])[None]
    assert difference_interval(first, shuffled, same_seeds=True)[0] < 0


def test_seeds_are_drawn_too_and_in_pairs_where_they_are_the_same() -> None:
    noise = np.array([[0.0], [0.1], [0.2], [0.3]])
    assert difference_interval(noise, noise + 0.01, same_seeds=True) == pytest.approx((0.01, 0.01))
    low, high = difference_interval(noise, noise + 0.01, same_seeds=False)
    assert low < -0.1 and high > 0.1
    queries = np.random.default_rng(6).random((4, 300)) < 0.5
    low, high = difference_interval(queries, queries, same_seeds=False)
    assert low < 0 < high


def test_where_nothing_can_be_drawn_there_is_no_interval() -> None:
    one = np.array([[0.5]])
    assert np.isnan(difference_interval(one, one, same_seeds=True)).all()
    assert np.isnan(mean_interval(np.zeros(0))).all() and np.isnan(mean_interval(np.ones(9))).all()


def test_an_interval_is_the_same_every_time() -> None:
    values = np.random.default_rng(7).random(400)
    assert mean_interval(values) == mean_interval(values) != mean_interval(values, seed=1)
