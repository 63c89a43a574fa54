from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from vlp.evaluation.figures import chance_median_rank, chance_within, mean_per_class, share_within


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
