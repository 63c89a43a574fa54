"""LOOK: the vote by hand, no vote of one's own, SupCon without a limit, and a bank that replaces the oldest."""

from __future__ import annotations

import runpy
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from vlp.models.compute import Compute
from vlp.objectives.bank import Bank
from vlp.pretrainer import Pretrainer

CASE = runpy.run_path(str(Path(__file__).parent / "cases" / "neighbour_labels.py"))


@pytest.fixture
def objective(config):
    config.objectives.contrastive.weight = 0.0
    config.objectives.neighbour_labels.update(weight=1.0, **CASE["SETTINGS"])
    made = Pretrainer(config, vocabulary_size=50, compute=Compute(), context=CASE["CONTEXT"])
    return made.objectives["neighbour_labels"]


def unit_rows(dice, *shape):
    rows = dice.normal(size=shape)
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize(("neighbours", "kernel"), [(5, "softmax_in"), (0, "softmax")])
def test_the_loss_is_that_of_a_vote_by_hand(objective, neighbours, kernel):
    from vlp.kernels import KERNELS

    objective.neighbours, objective.kernel = neighbours, KERNELS[kernel]
    dice = np.random.default_rng(4)
    bank, labels = unit_rows(dice, 12, 8), dice.integers(0, 3, 12)
    records = np.stack([np.arange(12), np.arange(12)], 1).astype(np.int32)
    objective.bank.push(rows=jnp.asarray(bank), labels=jnp.asarray(labels), records=jnp.asarray(records))
    rows, own = unit_rows(dice, 6, 8), dice.integers(0, 3, 6)
    own[2], bank_place = -1, 7
    rows[0], asked = bank[bank_place], records[[bank_place, 100 % 12, 1, 2, 3, 4]].copy()
    asked[1:] += 100  # none of the bank's but the first
    loss, metrics = objective.compare(*map(jnp.asarray, (rows, own, asked)))
    losses, shares = [], []
    for number, row in enumerate(rows):
        there = [place for place in range(12) if number or place != bank_place]
        order = sorted(there, key=lambda place: -bank[place] @ row)[: neighbours or None]
        weights = np.exp(bank[order].astype(np.float64) @ row / 0.1)
        right = labels[order] == own[number]
        if own[number] < 0:
            continue
        shares.append(weights[right].sum() / weights.sum())
        if right.any() and kernel == "softmax_in":
            losses.append(-np.log(shares[-1]))
        elif right.any():  # the mean over positives outside the logarithm
            losses.append(-np.log(weights[right] / weights.sum()).mean())
    assert float(loss.mean()) == pytest.approx(np.mean(losses), rel=1e-4)
    assert float(metrics["voted_right"]) == pytest.approx(np.mean(shares), rel=1e-4)
    assert float(metrics["filled"]) == 12 / 16


def test_an_empty_bank_says_nothing(objective):
    rows = jnp.asarray(unit_rows(np.random.default_rng(0), 4, 8))
    loss, metrics = objective.compare(rows, jnp.zeros(4, jnp.int32), jnp.ones((4, 2), jnp.int32))
    assert float(loss.mean()) == 0.0 and float(metrics["voted_right"]) == 0.0


def test_a_bank_replaces_the_oldest_and_takes_no_gradient():
    bank = Bank({"rows": jnp.zeros((6, 2)), "labels": jnp.full(6, -1)})
    for number in range(4):
        bank.push(rows=jnp.full((2, 2), number), labels=jnp.full(2, number))
    np.testing.assert_array_equal(bank["labels"], [3, 3, 1, 1, 2, 2])
    np.testing.assert_array_equal(bank["rows"][:, 0], bank["labels"])
    graphdef, state = nnx.split(bank)

    def pushed(new):
        own = nnx.merge(graphdef, state, copy=True)
        own.push(rows=new, labels=jnp.zeros(2, jnp.int32))
        return own["rows"].sum()

    assert not np.asarray(jax.grad(pushed)(jnp.ones((2, 2)))).any()
