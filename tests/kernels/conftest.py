"""What the kernels' tests share: random score matrices in float64."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads


@pytest.fixture
def x64():
    """Computes in float64 where the inputs are."""
    with jax.enable_x64(True):
        yield


@pytest.fixture
def cells():
    """Scores, 0/1 targets and a mask: the last row is masked out, the one before has no positive."""
    generator = np.random.default_rng(0)
    scores, targets = 3 * generator.normal(size=(6, 7)), generator.random((6, 7)) < 0.4
    mask = generator.random((6, 7)) < 0.8
    mask[-1], targets[-2] = False, False
    targets[:4, 0], mask[:4, :2], targets[:4, 1] = True, True, False
    return scores, targets.astype(np.float64), mask


@pytest.fixture
def assert_gradients():
    """Compares a kernel's gradients with finite differences; those of masked cells must be zero, even beside NaN."""

    def check(kernel, scores, mask):
        check_grads(
            jax.jit(lambda s: kernel(s).total), (jnp.asarray(scores),), order=1, modes=["rev"], eps=1e-5
        )
        spoilt = jnp.asarray(np.where(mask, scores, 1e30))
        gradient = np.asarray(jax.jit(jax.grad(lambda s: kernel(s).total))(spoilt))
        assert np.isfinite(gradient).all() and (gradient[~mask] == 0).all() and gradient[mask].any()

    return check
