from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from vlp.evaluation.figures import (
    calibration_error,
    chance_average_precision,
    chance_mean_rank,
    chance_median_rank,
    chance_within,
    matched_accuracy,
    mean_per_class,
    share_within,
)
from vlp.evaluation.probes.folds import folds_of, in_words, last
from vlp.evaluation.probes.penalties import at_edge


def ranks_over_all_orders(right: int, candidates: int) -> list[int]:
    """Rank of the best of `right` answers in every order of the candidates."""
    orders = permutations(range(candidates))
    return [1 + min(order.index(answer) for answer in range(right)) for order in orders]


@pytest.mark.parametrize("candidates", [4, 5, 6])
@pytest.mark.parametrize("right", [[1], [2], [3], [1, 2], [1, 1, 3]])
def test_chance_is_the_average_over_all_orders(candidates: int, right: list[int]) -> None:
    ranks = np.concatenate([ranks_over_all_orders(one, candidates) for one in right])
    for k in (1, 2, 3, candidates, candidates + 4):
        assert chance_within(k, right, candidates) == pytest.approx(np.mean(ranks <= k), abs=1e-15)
    assert chance_median_rank(right, candidates) == np.median(ranks)
    assert chance_mean_rank(right, candidates) == pytest.approx(np.mean(ranks))


def test_chance_with_one_right_answer_is_k_of_n() -> None:
    assert chance_within(10, [1], 400) == 10 / 400
    assert chance_median_rank([1], 400) == 200.5
    assert chance_median_rank([1], 401) == 201.0


def test_chance_is_exact_for_a_large_gallery() -> None:
    assert chance_within(1, [5] * 5000, 25010) == pytest.approx(5 / 25010, rel=1e-15)


def test_share_within_counts_the_rank_k_itself() -> None:
    assert share_within(np.array([1, 2, 5, 6]), 5) == 0.75


def test_mean_per_class_weighs_classes_alike() -> None:
    ranks, classes = np.array([1, 1, 1, 2, 1, 3]), np.array([7, 7, 7, 7, 2, 2])
    assert mean_per_class(ranks, classes) == (3 / 4 + 1 / 2) / 2


@pytest.mark.parametrize(("right", "candidates"), [(1, 1), (1, 5), (2, 5), (3, 5), (5, 5)])
def test_chance_of_average_precision_is_that_over_all_orders(right: int, candidates: int) -> None:
    found = []
    for order in permutations(range(candidates)):
        hits = np.asarray(order) < right
        found.append(np.mean((np.cumsum(hits) / np.arange(1, candidates + 1))[hits]))
    assert chance_average_precision(right, candidates) == pytest.approx(np.mean(found))


def test_calibration_is_the_gap_of_each_bin_weighed_by_its_examples() -> None:
    confidence = np.asarray([0.05, 0.1, 0.6, 0.65, 0.95, 1.0])
    right = np.asarray([True, False, True, False, True, True])
    # Bins of a fifth: (0, 0.2], (0.4, 0.6], (0.6, 0.8], (0.8, 1].
    gaps = [abs(1 - 0.15), abs(1 - 0.6), abs(0 - 0.65), abs(2 - 1.95)]
    assert calibration_error(confidence, right, bins=5) == pytest.approx(sum(gaps) / 6)
    assert calibration_error(np.asarray([0.2, 0.2]), np.asarray([True, False]), bins=5) == pytest.approx(0.3)
    two = np.asarray([1 / 15 - 1e-3, 1 / 15 + 1e-3])  # in two of fifteen bins
    hits = np.asarray([True, False])
    assert calibration_error(two, hits) == pytest.approx(np.abs(hits - two).mean())


def test_clusters_are_matched_to_one_class_each() -> None:
    assert matched_accuracy([0, 0, 0, 1, 1, 2], ["a", "a", "b", "a", "a", "b"]) == pytest.approx(3 / 6)
    assert matched_accuracy([5, 5, 7], [1, 1, 0]) == 1.0


def test_every_fifth_example_of_a_class_is_held_out_and_all_in_turn_where_those_are_few() -> None:
    many = folds_of(np.repeat([0, 1], 10))
    assert sorted(set(many)) == [-1, 0] and [(many[:10] == 0).sum(), (many[10:] == 0).sum()] == [2, 2]
    few = folds_of(np.asarray([0] * 4 + [1] * 3 + [2]))
    assert few[7] == -1 and sorted(few[:4]) == [0, 1, 2, 3] and sorted(few[4:7]) == [0, 1, 2]
    # One of ten is just enough to choose by.
    tenth = folds_of(np.asarray([0] * 5 + [1] * 3 + [2] * 2))
    assert (tenth >= 0).sum() == 1
    assert folds_of(np.zeros(0, int)).shape == (0,)
    parts = last([np.zeros(2), np.zeros(1), np.zeros(3)])
    assert parts.tolist() == [-1, -1, -1, 0, 0, 0]
    assert in_words(parts) == "3 of 6 examples, held out"
    assert in_words(few) == "7 of 8 examples in 4 folds, each predicted without its own"


def test_a_best_penalty_at_the_end_of_the_range_is_told() -> None:
    assert at_edge({0: 1.0, 16: 0.5}) == "lowest" and at_edge({96: 1.0, 16: 0.5}) == "highest"
    assert at_edge({96: 0.1, 16: 0.5}) == at_edge({}) == ""
