"""Active selection: exact budgets without repetition, the same for the same seed, and balance."""

from __future__ import annotations

import numpy as np
import pytest

from vlp.active.balance import balanced
from vlp.active.uncertainty import CHOOSERS, Pool


@pytest.fixture
def pool() -> Pool:
    dice = np.random.default_rng(0)
    features = dice.normal(size=(60, 8))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    logits = 4 * dice.normal(size=(60, 5))
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return Pool(probabilities, features, features[:3] + 0.0)


@pytest.mark.parametrize("name", list(CHOOSERS))
def test_a_budget_is_exact_its_ids_unique_and_its_choice_reproducible(name: str, pool: Pool) -> None:
    chosen = [CHOOSERS[name](pool, 20, np.random.default_rng(seed)).tolist() for seed in (1, 1)]
    assert len({*chosen[0]}) == 20 and chosen[0] == chosen[1]
    assert sorted(CHOOSERS[name](pool, 60, np.random.default_rng(1))) == list(range(60))


def test_badge_has_the_distances_of_whole_gradients(pool: Pool) -> None:
    answers = np.eye(5)[pool.probabilities.argmax(1)]
    gradients = np.einsum("nc,nd->ncd", pool.probabilities - answers, pool.features).reshape(60, -1)
    dice, chosen = np.random.default_rng(3), [int((gradients**2).sum(1).argmax())]
    while len(chosen) < 12:
        weights = ((gradients[:, None] - gradients[chosen][None]) ** 2).sum(-1).min(1)
        weights[chosen] = 0
        chosen.append(int(dice.choice(60, p=weights / weights.sum())))
    assert CHOOSERS["badge"](pool, 12, np.random.default_rng(3)).tolist() == chosen


def test_a_core_set_takes_what_is_farthest_from_all_that_is_known(pool: Pool) -> None:
    known, chosen = list(pool.bought), []
    for place in CHOOSERS["coreset"](pool, 10, np.random.default_rng(0)).tolist():
        likest = (pool.features @ np.array(known).T).max(1)
        likest[chosen] = np.inf
        assert likest[place] == pytest.approx(likest.min())
        known.append(pool.features[place])
        chosen.append(place)


def test_balance_evens_out_what_entropy_alone_does_not(pool: Pool) -> None:
    predicted = np.repeat(np.arange(5), [30, 12, 9, 5, 4])
    picks = balanced(predicted, np.zeros(5), 20, np.random.default_rng(0))
    assert np.bincount(predicted[picks.places]).tolist() == [4] * 5 and picks.found.all()
    assert len({*picks.places.tolist()}) == 20
    with pytest.raises(ValueError, match="a budget of 61 needs as many candidates, not 60"):
        balanced(predicted, np.zeros(5), 61, np.random.default_rng(0))
