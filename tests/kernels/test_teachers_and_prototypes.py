"""Soft targets, pairs of views, prototypes, groups of patches and regression against loops in numpy."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vlp.kernels.directions import both_directions
from vlp.kernels.distillation import cross_view_softmax, moving_centre, soft_targets
from vlp.kernels.grouping import grouped_patches, sparse_weights
from vlp.kernels.prototypes import cluster_means, prototype_targets
from vlp.kernels.regression import absolute_error, cosine_distance, squared_error
from vlp.kernels.softmax import softmax
from vlp.kernels.unit import unit


def probabilities(scores):
    exponentials = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def test_views_are_compared_with_all_teachers_but_their_own(x64):
    generator = np.random.default_rng(0)
    student, teacher = generator.normal(size=(4, 3, 5)), generator.normal(size=(2, 3, 5))
    centre, mask = generator.normal(size=5), np.array([True, False, True])
    targets = probabilities((teacher - centre) / 0.04)
    pairs = [(t, s) for t in range(2) for s in range(4) if s != t]
    expected = [-(targets[t] * np.log(probabilities(student[s]))).sum(axis=1)[mask].sum() for t, s in pairs]
    ours = soft_targets(jnp.asarray(teacher), temperature=0.04, centre=jnp.asarray(centre))
    loss = cross_view_softmax(jnp.asarray(student), ours, mask=jnp.asarray(mask))
    assert float(loss.total) == pytest.approx(sum(expected), rel=1e-12) and float(loss.weight) == 2 * len(
        pairs
    )
    every = cross_view_softmax(jnp.asarray(student), ours)
    whole = [-(targets[t] * np.log(probabilities(student[s]))).sum() for t, s in pairs]
    assert float(every.total) == pytest.approx(sum(whole), rel=1e-12) and float(every.weight) == 3 * len(
        pairs
    )
    moved = moving_centre(jnp.asarray(centre), jnp.asarray(teacher), 0.9)
    np.testing.assert_allclose(moved, 0.9 * centre + 0.1 * teacher.mean(axis=(0, 1)), rtol=1e-12)


def test_a_teacher_gets_no_gradient():
    for read in (lambda t: soft_targets(t, temperature=0.5), lambda t: moving_centre(jnp.zeros(4), t, 0.5)):
        gradient = jax.grad(lambda t, read=read: (read(t) ** 2).sum())(jnp.arange(4.0)[None])
        assert not np.asarray(gradient).any()


def test_cluster_means_and_their_soft_targets(x64):
    features, labels = np.random.default_rng(0).normal(size=(8, 3)), np.array([0, 2, 0, 2, 2, -1, 4, 1])
    means = np.asarray(cluster_means(jnp.asarray(features), jnp.asarray(labels), 4))
    expected = [features[[0, 2]].mean(axis=0), features[7], features[[1, 3, 4]].mean(axis=0), np.zeros(3)]
    np.testing.assert_allclose(means, expected, atol=1e-15)
    chosen = np.array([2, 0])
    targets = prototype_targets(jnp.asarray(means), jnp.asarray(chosen), 0.1)
    np.testing.assert_allclose(targets, probabilities(means[chosen] @ means.T / 0.1), rtol=1e-12)
    hard = prototype_targets(jnp.asarray(means), jnp.asarray(chosen), 0.0)
    np.testing.assert_array_equal(hard, np.eye(4)[chosen])
    with pytest.raises(ValueError, match="temperature of soft targets is -1"):
        prototype_targets(jnp.asarray(means), jnp.asarray(chosen), -1.0)


def test_patches_are_pooled_by_their_likeness_to_a_text(x64):
    generator = np.random.default_rng(0)
    texts, patches = generator.normal(size=(2, 3, 4)), generator.normal(size=(2, 5, 4))
    pooled = np.asarray(grouped_patches(jnp.asarray(texts), jnp.asarray(patches), 1 / 5))
    for image in range(2):
        for text in range(3):
            likeness = patches[image] @ texts[image, text]
            weights = (likeness - likeness.min()) / (likeness.max() - likeness.min())
            vector = np.where(weights < 1 / 5, 0, weights) @ patches[image]
            np.testing.assert_allclose(pooled[image, text], vector / np.linalg.norm(vector), rtol=1e-10)


def test_equal_patches_leave_gradients_finite():
    gradient = jax.grad(lambda p: grouped_patches(jnp.ones((1, 1, 4)), p, 0.2).sum())(jnp.ones((1, 3, 4)))
    assert np.isfinite(gradient).all()


def test_regression_counts_rows_and_leaves_targets_alone(x64):
    generator = np.random.default_rng(0)
    one, other, mask = (
        generator.normal(size=(4, 3)),
        generator.normal(size=(4, 3)),
        np.array([1, 0, 1, 1], bool),
    )
    cosines = (one * other).sum(axis=1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
    expected = {
        cosine_distance: 1 - cosines,
        squared_error: ((one - other) ** 2).mean(axis=1),
        absolute_error: np.abs(one - other).mean(axis=1),
    }
    inputs = jnp.asarray(one), jnp.asarray(other)
    for kernel, rows in expected.items():
        loss = kernel(*inputs, mask=jnp.asarray(mask))
        assert float(loss.total) == pytest.approx(rows[mask].sum(), rel=1e-12) and float(loss.weight) == 3
        assert not np.asarray(jax.grad(lambda t, k=kernel: k(inputs[0], t).total)(inputs[1])).any()
    zero = jax.grad(lambda p: cosine_distance(p, inputs[1]).total)(jnp.zeros((4, 3)))
    assert np.isfinite(zero).all()


def test_teachers_of_half_precision_are_read_in_float32(x64):
    dice = np.random.default_rng(4)
    student, teacher = (jnp.asarray(dice.normal(size=(2, 9, 33)), jnp.bfloat16) for _ in range(2))
    exact = np.asarray(teacher, np.float64)
    targets = soft_targets(teacher)
    assert targets.dtype == jnp.float32
    np.testing.assert_allclose(targets, probabilities(exact), rtol=1e-6)
    likely = np.log(probabilities(np.asarray(student, np.float64)))
    rough = targets.astype(jnp.bfloat16)
    crosses = [-(np.asarray(rough, np.float64)[t] * likely[1 - t]).sum() for t in range(2)]
    loss = cross_view_softmax(student, rough)
    assert loss.total.dtype == jnp.float32 and float(loss.total) == pytest.approx(sum(crosses), rel=1e-6)
    centre = moving_centre(jnp.zeros(33, jnp.float32), teacher, 0.9)
    np.testing.assert_allclose(centre, 0.1 * exact.mean(axis=(0, 1)), rtol=1e-5, atol=1e-7)


def test_a_patch_at_the_threshold_counts():
    np.testing.assert_allclose(sparse_weights(jnp.asarray([0.25, 0.75, 0.125]), 0.25), [0.25, 0.75, 0.0])
    np.testing.assert_array_equal(sparse_weights(jnp.asarray([0.1, 0.0]), 0.25), [0.0, 0.0])


def test_both_directions_are_mixed_by_their_share(x64):
    scores, targets = np.random.default_rng(7).normal(size=(3, 3)), np.eye(3)
    rows, columns = (softmax(jnp.asarray(z), jnp.asarray(targets)).total for z in (scores, scores.T))
    mixed = both_directions(softmax, jnp.asarray(scores), jnp.asarray(targets), direction=0.75)
    assert float(mixed.total) == pytest.approx(0.75 * float(rows) + 0.25 * float(columns))
    assert float(mixed.weight) == 3


def test_unit_vectors_are_of_float32_at_least_and_spare_what_is_shorter_than_1e_12(x64):
    np.testing.assert_allclose(unit(jnp.asarray([[3.0, -4.0], [0.0, 3e-13]])), [[0.6, -0.8], [0.0, 0.3]])
    assert unit(jnp.ones((1, 2), jnp.bfloat16)).dtype == jnp.float32
