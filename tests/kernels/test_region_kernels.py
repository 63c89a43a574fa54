"""Boxes, matching, transport and words of regions, by loops and by scipy."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from vlp.kernels.boxes import corners, covered, generalised_iou, iou
from vlp.kernels.federated import federated_sigmoid
from vlp.kernels.matching import matched
from vlp.kernels.relation_prototypes import closeness, likeness
from vlp.kernels.transport import conditional_transport, navigators


def test_matching_costs_as_little_as_scipys_and_knows_no_order_of_queries():
    dice = np.random.default_rng(0)
    costs = dice.normal(size=(40, 5, 10)).astype(np.float32)
    there = np.arange(5) < dice.integers(0, 6, (40, 1))
    solve = jax.jit(matched)
    own, order = np.asarray(solve(jnp.asarray(costs), jnp.asarray(there))), dice.permutation(10)
    turned = order[np.asarray(solve(jnp.asarray(costs[:, :, order]), jnp.asarray(there)))]
    for cost, known, found, other in zip(costs, there, own, turned, strict=True):
        rows, columns = linear_sum_assignment(cost[known])
        best = cost[known][rows, columns].sum()
        for one in (found, other):
            assert len({*one.tolist()}) == 5
            assert cost[known, one[known]].sum() == pytest.approx(best, rel=1e-5, abs=1e-6)
    with pytest.raises(ValueError, match="more queries"):
        matched(jnp.asarray(costs.swapaxes(1, 2)), jnp.ones((40, 10), bool))


def test_overlaps_are_areas_and_cells_are_inside():
    one, other = jnp.array([0.0, 0.0, 0.5, 0.5]), jnp.array([0.25, 0.0, 1.0, 0.5])
    union, around = 0.25 + 0.375 - 0.125, 0.5
    assert float(iou(one, other)) == pytest.approx(0.125 / union)
    expected = 0.125 / union - (around - union) / around
    assert float(generalised_iou(one, other)) == pytest.approx(expected)
    apart = jnp.array([0.75, 0.75, 1.0, 1.0])
    assert float(generalised_iou(one, apart)) == pytest.approx(-(1 - 0.3125))
    np.testing.assert_allclose(corners(jnp.array([0.5, 0.4, 0.2, 0.4])), [0.4, 0.2, 0.6, 0.6], rtol=1e-6)
    inside = np.asarray(covered(jnp.array([[0.0, 0.5, 0.5, 1.0]]), 4)).reshape(4, 4)
    np.testing.assert_array_equal(inside, np.outer([0, 0, 1, 1], [1, 1, 0, 0]))
    edges = np.asarray(covered(jnp.array([[0.125, 0.375, 0.625, 0.875]]), 4)).reshape(4, 4)
    np.testing.assert_array_equal(edges, np.outer([0, 1, 1, 0], [1, 1, 0, 0]))  # of both edges the first


def test_transport_shares_out_rows_and_columns():
    dice = np.random.default_rng(0)
    cosines = dice.uniform(-1, 1, (3, 4, 5))
    there = np.array([[1, 0, 1, 1, 0], [0, 0, 0, 0, 0], [0, 1, 0, 0, 0]], bool)
    to_labels, to_patches = map(np.asarray, navigators(jnp.asarray(cosines), 3.0, jnp.asarray(there)))
    np.testing.assert_allclose(to_labels.sum(axis=2)[[0, 2]], 1.0, rtol=1e-6)
    np.testing.assert_allclose(to_patches.sum(axis=1), there, rtol=1e-6)
    loss = conditional_transport(jnp.asarray(cosines), 3.0, jnp.asarray(there))
    expected = 0.0
    for image in (0, 2):
        labels, costs = np.flatnonzero(there[image]), 1 - cosines[image]
        for patch in range(4):
            likely = np.exp(3 * cosines[image][patch, labels])
            expected += (likely / likely.sum() * costs[patch, labels]).sum() / 4
        for label in labels:
            likely = np.exp(3 * cosines[image][:, label])
            expected += (likely / likely.sum() * costs[:, label]).sum() / len(labels)
    assert float(loss.total) == pytest.approx(expected, rel=1e-5) and float(loss.weight) == 2
    single = conditional_transport(jnp.array([[[0.3]]]), 3.0, jnp.ones((1, 1), bool))
    assert float(single.mean()) == pytest.approx(2 * 0.7)


def test_what_nobody_knows_has_no_gradient_where_it_weighs_nothing():
    dice = np.random.default_rng(0)
    scores, states = dice.normal(size=(4, 6)), dice.integers(-1, 2, (4, 6))
    gradient = np.asarray(
        jax.grad(lambda scores: federated_sigmoid(scores, jnp.asarray(states)))(jnp.asarray(scores))
    )
    assert not gradient[states < 0].any() and gradient[states >= 0].all()


def test_prototypes_that_are_far_apart_and_unlike_are_left_alone():
    far = 10.0 * jnp.eye(4)
    assert not np.asarray(jax.grad(closeness)(far)).any()
    np.testing.assert_allclose(np.asarray(jax.grad(likeness)(far)), 0.0, atol=1e-7)
