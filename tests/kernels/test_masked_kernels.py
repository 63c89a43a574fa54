"""Every kernel on score matrices against a double loop in numpy, with cells that take no part, and at extremes."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vlp.kernels import REGRESSIONS
from vlp.kernels.loss import Loss
from vlp.kernels.ranking import ranking
from vlp.kernels.separated import joint, separated, separated_sides
from vlp.kernels.sigmoid import asymmetric_sigmoid, sigmoid
from vlp.kernels.softmax import reverse_softmax, softmax, softmax_in


def softmax_row(positive, negative):
    if not len(positive):
        return None
    return np.log(np.exp(np.concatenate([positive, negative])).sum()) - positive.mean()


def separated_row(positive, negative):
    return np.log1p(np.exp(-positive).sum()) + np.log1p(np.exp(negative).sum())


def joint_row(positive, negative):
    return np.log1p(sum(np.exp(n - p) for p in positive for n in negative))


def sigmoid_row(positive, negative):
    return np.log1p(np.exp(-positive)).sum() + np.log1p(np.exp(negative)).sum()


def asymmetric_row(positive, negative, clip=0.05):
    p = 1 / (1 + np.exp(-negative))
    shifted = np.maximum(p - clip, 0)
    return np.log1p(np.exp(-positive)).sum() - (shifted**4 * np.log(1 - shifted)).sum()


def softmax_in_row(positive, negative):
    if not len(positive):
        return None
    return np.log(np.exp(np.concatenate([positive, negative])).sum()) - np.log(np.exp(positive).sum())


def reverse_row(positive, negative):
    if not len(positive):
        return None
    scores = np.concatenate([positive, negative])
    likely = np.exp(scores) / np.exp(scores).sum()
    wanted = np.r_[np.full(len(positive), 1 / len(positive)), np.zeros(len(negative))] + 1e-8
    return (likely * np.log(likely / wanted)).sum()


def ranking_row(positive, negative, hardest=False, every=False):
    if not len(positive):
        return None
    behind = [[max(0, 0.2 - p + n) for n in negative] for p in (positive if every else [positive.min()])]
    return sum(max(row, default=0.0) if hardest else sum(row) for row in behind)


CASES = {
    "softmax": (softmax, softmax_row),
    "separated": (separated, separated_row),
    "joint": (joint, joint_row),
    "sigmoid": (sigmoid, sigmoid_row),
    "asymmetric": (asymmetric_sigmoid, asymmetric_row),
    "softmax_in": (softmax_in, softmax_in_row),
    "reverse": (reverse_softmax, reverse_row),
    "ranking": (ranking, ranking_row),
    "every": (functools.partial(ranking, every_positive=True), functools.partial(ranking_row, every=True)),
    "every_hardest": (
        functools.partial(ranking, every_positive=True, hardest=True),
        functools.partial(ranking_row, every=True, hardest=True),
    ),
    "hardest": (functools.partial(ranking, hardest=True), functools.partial(ranking_row, hardest=True)),
}
EVERY_KERNEL = pytest.mark.parametrize("name", CASES)


@EVERY_KERNEL
def test_equals_a_loop_over_rows_and_has_its_gradient(name, cells, x64, assert_gradients):
    scores, targets, mask = cells
    kernel, row_loss = CASES[name]
    rows = [
        row_loss(row[keep & (target > 0)], row[keep & (target == 0)])
        for row, target, keep in zip(scores, targets, mask, strict=True)
        if keep.any()
    ]
    expected = [value for value in rows if value is not None]
    masked = functools.partial(kernel, targets=jnp.asarray(targets), mask=jnp.asarray(mask))
    loss = jax.jit(masked)(jnp.asarray(scores))
    assert float(loss.total) == pytest.approx(sum(expected), rel=1e-12)
    assert float(loss.weight) == len(expected)
    assert_gradients(masked, scores, mask)


@EVERY_KERNEL
@pytest.mark.parametrize("size", [1e4, 1e30])
def test_huge_scores_leave_loss_and_gradient_finite(name, size):
    kernel = CASES[name][0]
    scores = size * jnp.asarray([[1.0, -1.0, 0.0], [-1.0, 1.0, 1.0], [0.0, 0.0, 0.0]], jnp.float32)
    targets = jnp.asarray([[1.0, 0, 0], [1, 1, 0], [0, 1, 0]])
    loss, gradient = jax.jit(jax.value_and_grad(lambda s: kernel(s, targets).mean()))(scores)
    assert np.isfinite(loss) and np.isfinite(gradient).all()


@EVERY_KERNEL
def test_nothing_to_compare_is_loss_zero_and_gradient_zero(name):
    kernel, mask = CASES[name][0], jnp.zeros((1, 3), bool)
    function = jax.jit(jax.value_and_grad(lambda s: kernel(s, jnp.ones((2, 3)), mask=mask).mean()))
    loss, gradient = function(jnp.ones((2, 3)))
    assert float(loss) == 0 and not np.asarray(gradient).any()
    assert float(kernel(jnp.ones((2, 3)), jnp.ones((2, 3)), mask=mask).weight) == 0


def test_sides_add_up_and_factorise(cells, x64):
    scores, targets, mask = (jnp.asarray(a) for a in cells)
    sides = separated_sides(scores, targets, mask=mask)
    whole = separated(scores, targets, mask=mask)
    assert float(sides[0].total + sides[1].total) == pytest.approx(float(whole.total), rel=1e-14)
    # (1 + sum_P e^-z)(1 + sum_N e^z): the threshold at zero is one more negative of the positives, and the reverse.
    row = slice(0, 1)
    padded = jnp.pad(scores[row], ((0, 0), (0, 2)))
    with_zeros = joint(padded, jnp.pad(targets[row], ((0, 0), (0, 2))).at[0, -1].set(1.0), mask=None)
    unmasked = separated(scores[row], targets[row])
    assert float(with_zeros.total) == pytest.approx(float(jnp.log1p(jnp.exp(unmasked.total))), rel=1e-12)


def test_asymmetric_without_settings_is_the_plain_sigmoid(cells, x64):
    scores, targets, mask = (jnp.asarray(a) for a in cells)
    plain = asymmetric_sigmoid(scores, targets, mask=mask, negative_focus=0.0, clip=0.0)
    assert float(plain.total) == pytest.approx(float(sigmoid(scores, targets, mask=mask).total), rel=1e-12)


def test_held_focusing_weights_have_the_same_value_and_the_gradient_of_the_logarithms_alone(x64):
    scores = np.random.default_rng(3).normal(size=(4, 5))
    targets = np.random.default_rng(4).random((4, 5)) < 0.4

    def loss(scores, **settings):
        return asymmetric_sigmoid(
            scores, jnp.asarray(targets, float), positive_focus=1.0, negative_focus=2.0, **settings
        ).total

    (value, gradient), (same, held) = (
        jax.value_and_grad(functools.partial(loss, focus_gradient=flag))(jnp.asarray(scores))
        for flag in (True, False)
    )
    p = 1 / (1 + np.exp(-scores))
    q = np.maximum(p - 0.05, 0)
    expected = np.where(targets, -(1 - p) * (1 - p), np.where(q > 0, q**2 / (1 - q) * p * (1 - p), 0))
    assert float(value) == pytest.approx(float(same), rel=1e-14)
    np.testing.assert_allclose(held, expected, rtol=1e-10, atol=1e-14)
    assert np.abs(np.asarray(gradient - held)).max() > 0.01


@EVERY_KERNEL
def test_half_precision_scores_and_targets_are_summed_in_float32(name):
    """Targets in bfloat16 as well, so that nothing else lifts the sums out of it."""
    dice = np.random.default_rng(5)
    scores = jnp.asarray(dice.normal(size=(64, 65)), jnp.bfloat16)
    targets = jnp.asarray(dice.random((64, 65)) < 0.1, jnp.bfloat16)
    loss = CASES[name][0](scores, targets)
    exact = CASES[name][0](scores.astype(jnp.float32), targets.astype(jnp.float32))
    assert loss.total.dtype == loss.weight.dtype == jnp.float32
    assert float(loss.total) == pytest.approx(float(exact.total), rel=1e-6)


@pytest.mark.parametrize("kernel", REGRESSIONS.values(), ids=list(REGRESSIONS))
def test_half_precision_rows_are_summed_in_float32(kernel):
    dice = np.random.default_rng(6)
    rows, wanted = (jnp.asarray(dice.normal(size=(300, 7)), jnp.bfloat16) for _ in range(2))
    exact = kernel(rows.astype(jnp.float32), wanted.astype(jnp.float32))
    loss = kernel(rows, wanted)
    assert loss.total.dtype == loss.weight.dtype == jnp.float32 and float(exact.weight) == 300
    assert float(loss.total) == pytest.approx(float(exact.total), rel=1e-6)


def test_a_small_sigmoid_loss_keeps_its_digits_in_float32():
    loss = sigmoid(jnp.asarray([[12.0, -12.0]], jnp.float32), jnp.asarray([[1.0, 0.0]]))
    assert float(loss.total) == pytest.approx(2 * np.log1p(np.exp(-12.0)), rel=1e-6)


def test_soft_targets_are_a_cross_entropy(x64):
    generator = np.random.default_rng(1)
    scores, teacher = generator.normal(size=(2, 4, 5))
    probabilities = np.exp(teacher) / np.exp(teacher).sum(axis=1, keepdims=True)
    log_softmax = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    loss = softmax(jnp.asarray(scores), jnp.asarray(probabilities))
    assert float(loss.total) == pytest.approx(-(probabilities * log_softmax).sum(), rel=1e-12)


def test_label_smoothing_spreads_over_the_columns_that_take_part(x64):
    scores = np.random.default_rng(2).normal(size=(3, 6))
    targets, mask = np.eye(3, 6), np.arange(6)[None] < 4
    smoothed = softmax(jnp.asarray(scores), jnp.asarray(targets), mask=jnp.asarray(mask), label_smoothing=0.1)
    cut = softmax(jnp.asarray(scores[:, :4]), jnp.asarray(0.9 * targets[:, :4] + 0.1 / 4))
    assert float(smoothed.total) == pytest.approx(float(cut.total), rel=1e-12)


def test_a_row_that_is_left_out_whole_gets_no_gradient_from_smoothing():
    mask = jnp.asarray([[True, True], [False, False]])
    gradient = jax.grad(lambda s: softmax(s, jnp.eye(2), mask=mask, label_smoothing=0.1).mean())(jnp.eye(2))
    assert np.isfinite(gradient).all() and not np.asarray(gradient)[1].any()


def test_negatives_below_the_clip_have_slope_zero_whatever_the_focus():
    for focus in (0.5, 1.0):
        loss, gradient = jax.value_and_grad(
            lambda s, focus=focus: asymmetric_sigmoid(s, jnp.zeros((1, 2)), negative_focus=focus).total
        )(jnp.asarray([[-9.0, 1.0]]))
        assert np.isfinite(loss) and float(gradient[0, 0]) == 0 and np.isfinite(gradient[0, 1])


def test_a_mean_is_for_one_unit_of_weight_and_zero_where_there_is_none():
    for total, weight, mean in ((6.0, 3.0, 2.0), (2.0, 0.5, 4.0), (0.0, 0.0, 0.0)):
        value, slope = jax.value_and_grad(lambda t, w=weight: Loss(t, jnp.float32(w)).mean())(
            jnp.float32(total)
        )
        assert float(value) == mean and np.isfinite(slope)
