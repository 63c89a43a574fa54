"""The softmax kernel against published implementations' figures, brute force and its own edge cases."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vlp.kernels import KERNELS
from vlp.kernels.softmax import softmax
from vlp.objectives.targets import same_id


@pytest.fixture(params=["float32", "float64"])
def precision(request):
    """A dtype with the tolerance that losses and gradients are held to in it."""
    loss, gradient = {"float32": (1e-5, 1e-4), "float64": (1e-9, 1e-8)}[request.param]
    with jax.enable_x64(request.param == "float64"):
        yield request.param, loss, gradient


def two_sided(image, text, scale, smoothing=0.0):
    logits = scale * image @ text.T
    targets = same_id(jnp.arange(len(image)), jnp.arange(len(image)))
    kernel = KERNELS["softmax"]
    forth = kernel(logits, targets, label_smoothing=smoothing).mean()
    back = kernel(logits.T, targets, label_smoothing=smoothing).mean()
    return forth, back


def close(actual, expected, tolerance):
    expected = np.asarray(expected)
    np.testing.assert_allclose(np.asarray(actual), expected, rtol=0, atol=tolerance * np.abs(expected).max())


def test_equals_open_clip(repo_root, precision):
    dtype, loss_tolerance, gradient_tolerance = precision
    golden = np.load(repo_root / "tests/golden/clip_openclip_seed0.npz")
    inputs = [jnp.asarray(golden[name], dtype) for name in ("image_features", "text_features", "logit_scale")]
    loss, gradients = jax.value_and_grad(lambda *a: sum(two_sided(*a)) / 2, argnums=(0, 1, 2))(*inputs)
    close(loss, golden["loss"], loss_tolerance)
    for gradient, name in zip(gradients, ("image_features", "text_features", "logit_scale"), strict=True):
        close(gradient, golden[f"grad_{name}"], gradient_tolerance)


def test_label_smoothing_equals_the_formula_of_align(repo_root, precision):
    dtype, loss_tolerance, gradient_tolerance = precision
    golden = np.load(repo_root / "tests/golden/FORMULA_align_seed0.npz")
    image, text = (jnp.asarray(golden[name], dtype) for name in ("image_features", "text_features"))
    temperature, smoothing = float(golden["temperature"]), float(golden["label_smoothing"])

    def loss(image, text):
        return two_sided(image, text, 1 / temperature, smoothing)

    close(jnp.stack(loss(image, text)), [golden["loss_i2t"], golden["loss_t2i"]], loss_tolerance)
    gradients = jax.grad(lambda *a: sum(loss(*a)), argnums=(0, 1))(image, text)
    close(gradients[0], golden["grad_image_features_of_sum"], gradient_tolerance)
    close(gradients[1], golden["grad_text_features_of_sum"], gradient_tolerance)


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


def test_a_batch_with_no_positive_at_all_has_loss_zero():
    assert float(softmax(jnp.ones((3, 3)), jnp.zeros((3, 3))).mean()) == 0.0


def test_low_precision_scores_are_summed_in_float32():
    scores = jnp.asarray(np.random.default_rng(0).normal(size=(2, 50_000)), jnp.bfloat16)
    loss = softmax(scores, jnp.zeros(scores.shape).at[:, 0].set(1.0))
    exact = np.asarray(scores, np.float64)
    expected = np.log(np.exp(exact).sum(axis=1)) - exact[:, 0]
    assert loss.total.dtype == jnp.float32
    assert float(loss.total) == pytest.approx(expected.sum(), rel=1e-5)
