"""The memory of normalisers: records that come twice, what is never seen, and a batch that is all there is."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from vlp.kernels.global_contrast import Anchors, moving_log_mean, normalisers
from vlp.objectives.global_contrast import first_places


def test_a_record_that_comes_twice_is_written_once():
    assert first_places(jnp.array([7, 3, 7, 0, 3, 7])).tolist() == [0, 1, 0, 3, 1, 0]


def test_what_was_never_seen_takes_the_batch_and_the_rest_moves():
    before, now = np.array([-np.inf, 1.0, 50.0]), np.array([2.0, 3.0, -200.0])
    moved = moving_log_mean(jnp.asarray(before), jnp.asarray(now), jnp.float32(0.25))
    expected = [2.0, np.log(0.75 * np.exp(1.0) + 0.25 * np.exp(3.0)), 50.0 + np.log(0.75)]
    np.testing.assert_allclose(moved, expected, rtol=1e-6)
    np.testing.assert_allclose(moving_log_mean(jnp.asarray(before), jnp.asarray(now), jnp.float32(1.0)), now)


def test_with_a_rate_of_one_the_slope_is_that_of_the_logarithm_of_the_batch():
    dice = np.random.default_rng(0)
    rows, columns = (jnp.asarray(dice.normal(size=(6, 4)), jnp.float32) for _ in range(2))
    rows, columns = (x / jnp.linalg.norm(x, axis=1, keepdims=True) for x in (rows, columns))

    def log(rows):
        own = (rows * columns).sum(axis=1)
        return normalisers(Anchors(rows, own, jnp.arange(6), jnp.full(6, 100.0)), columns).log

    def share(rows):
        now = log(rows)
        return jnp.exp(now - moving_log_mean(jnp.full(6, -jnp.inf), now, jnp.float32(1.0))).sum()

    np.testing.assert_allclose(jax.grad(share)(rows), jax.grad(lambda x: log(x).sum())(rows), rtol=1e-5)
    gaps = 100.0 * (np.asarray(rows @ columns.T) - np.asarray((rows * columns).sum(1))[:, None])
    expected = [np.log(np.exp(np.delete(gap, at).astype(np.float64)).mean()) for at, gap in enumerate(gaps)]
    np.testing.assert_allclose(log(rows), expected, rtol=1e-5)
