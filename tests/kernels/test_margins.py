"""Margins against angles computed in numpy."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vlp.kernels.margins import MARGINS, additive_angle, additive_cosine, circle, drop_similar_negatives

COSINES = np.array([[0.9, -0.4, 0.1], [-0.99, 0.5, 0.35]])
TARGETS = np.array([[1.0, 0, 0], [1, 0, 1]])


def test_margins_move_matching_cells_only(x64):
    angle = np.where(TARGETS > 0, np.cos(np.arccos(COSINES) + 0.3), COSINES)
    inputs = jnp.asarray(COSINES), jnp.asarray(TARGETS)
    np.testing.assert_allclose(additive_angle(*inputs, 0.3), angle, atol=1e-15)
    np.testing.assert_allclose(additive_cosine(*inputs, 0.3), COSINES - 0.3 * TARGETS, atol=1e-15)
    kept = np.where((TARGETS == 0) & (COSINES > 0.1), 0, COSINES)  # one is 0.1, and stays
    np.testing.assert_array_equal(drop_similar_negatives(*inputs, 0.1), kept)


@pytest.mark.parametrize("straight_through", [False, True])
def test_the_angle_has_its_own_gradient_unless_asked_for_the_public_one(straight_through, x64):
    def total(cosines):
        kind = "angle_straight_through" if straight_through else "angle"
        return MARGINS[kind](cosines, jnp.asarray(TARGETS), margin=0.3).sum()

    theta = np.arccos(COSINES)
    slope = np.ones_like(theta) if straight_through else np.sin(theta + 0.3) / np.sin(theta)
    expected = np.where(TARGETS > 0, slope, 1.0)
    value, gradient = jax.value_and_grad(total)(jnp.asarray(COSINES))
    moved = np.where(TARGETS > 0, np.cos(theta + 0.3), COSINES)
    assert float(value) == pytest.approx(moved.sum(), rel=1e-12)
    np.testing.assert_allclose(gradient, expected, rtol=1e-12)


def test_cosines_at_and_beyond_one_leave_gradients_finite():
    cosines = jnp.asarray([[1.0, -1.0, 1.0000002, 1 - 6e-8]], jnp.float32)
    value, gradient = jax.value_and_grad(lambda c: additive_angle(c, jnp.ones((1, 4)), 0.3).sum())(cosines)
    assert np.isfinite(gradient).all() and float(value) == pytest.approx(2 * np.cos(0.3), abs=2e-3)


def test_circle_weighs_by_what_is_left_to_do(x64):
    weighted = np.where(
        TARGETS > 0,
        np.maximum(1.25 - COSINES, 0) * (COSINES - 0.75),
        np.maximum(COSINES + 0.25, 0) * (COSINES - 0.25),
    )
    value, slope = jax.vjp(lambda cosines: circle(cosines, jnp.asarray(TARGETS), 0.25), jnp.asarray(COSINES))
    np.testing.assert_allclose(value, weighted, atol=1e-15)
    weights = np.maximum(np.where(TARGETS > 0, 1.25 - COSINES, COSINES + 0.25), 0)
    np.testing.assert_allclose(
        slope(jnp.ones((2, 3)))[0], weights, atol=1e-15
    )  # constants, not differentiated


def test_cosines_beyond_one_are_cut_off_on_either_side(x64):
    beyond = jnp.asarray([[1.5, -1.5, 0.5]])
    np.testing.assert_array_equal(additive_angle(beyond, jnp.zeros((1, 3)), 0.3), [[1.0, -1.0, 0.5]])
