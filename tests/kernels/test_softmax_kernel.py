"""The softmax kernel against brute force and its own edge cases."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vlp.kernels.softmax import softmax
from vlp.objectives.targets import same_id


def test_several_positives_are_averaged_outside_the_logarithm():
    generator = np.random.default_rng(0)
    scores, ids = generator.normal(size=(6, 6)), np.array([0, 1, 0, 2, 1, 0])
    expected = 0.0
    for row in range(6):
        positives = [column for column in range(6) if ids[column] == ids[row]]
        log_softmax = scores[row] - np.log(np.exp(scores[row]).sum())
        expected -= np.mean([log_softmax[column] for column in positives])
    with jax.enable_x64(True):
        loss = softmax(jnp.asarray(scores), same_id(jnp.asarray(ids), jnp.asarray(ids)))
        assert float(loss.total) == pytest.approx(expected, rel=1e-12)
        assert float(loss.weight) == 6


def test_rows_without_a_positive_weigh_nothing_and_leave_gradients_finite():
    scores = jnp.asarray(np.random.default_rng(0).normal(size=(4, 5)), jnp.float32)
    targets = jnp.zeros((4, 5)).at[0, 1].set(1.0).at[2, 3].set(2.0)
    loss, gradient = jax.value_and_grad(lambda s: softmax(s, targets).mean())(scores)
    kept = softmax(scores[jnp.array([0, 2])], targets[jnp.array([0, 2])])
    assert float(loss) == pytest.approx(float(kept.mean()), rel=1e-6)
    assert np.all(np.asarray(gradient)[[1, 3]] == 0) and np.isfinite(gradient).all()


def test_smoothing_spreads_over_the_columns_that_take_part_alone(x64):
    dice = np.random.default_rng(3)
    scores, mask = dice.normal(size=(4, 6)), dice.random((4, 6)) < 0.6
    mask[:, 0] = True
    targets = np.eye(6)[np.zeros(4, int)]
    loss = softmax(jnp.asarray(scores), jnp.asarray(targets), mask=jnp.asarray(mask), label_smoothing=0.2)
    expected = 0.0
    for row, there in zip(scores, mask, strict=True):
        likely = row[there] - np.log(np.exp(row[there]).sum())
        expected -= 0.8 * likely[0] + 0.2 * likely.mean()
    assert float(loss.total) == pytest.approx(expected, rel=1e-12) and float(loss.weight) == 4


def test_a_batch_with_no_positive_at_all_has_loss_zero():
    assert float(softmax(jnp.ones((3, 3)), jnp.zeros((3, 3))).mean()) == 0.0


def test_low_precision_scores_are_summed_in_float32():
    scores = jnp.asarray(np.random.default_rng(0).normal(size=(2, 50_000)), jnp.bfloat16)
    loss = softmax(scores, jnp.zeros(scores.shape).at[:, 0].set(1.0))
    exact = np.asarray(scores, np.float64)
    expected = np.log(np.exp(exact).sum(axis=1)) - exact[:, 0]
    assert loss.total.dtype == jnp.float32
    assert float(loss.total) == pytest.approx(expected.sum(), rel=1e-5)
