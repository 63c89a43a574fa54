"""Meshes over some of the eight CPU devices, and comparisons of whole trees."""

from __future__ import annotations

import contextlib

import jax
import numpy as np
import pytest
from jax.sharding import AxisType


@pytest.fixture
def on_mesh():
    """`with on_mesh((data, fsdp, model)):`; None stands for no mesh at all."""

    def enter(shape):
        if shape is None:
            return contextlib.nullcontext()
        devices = jax.devices()[: int(np.prod(shape))]
        return jax.set_mesh(
            jax.make_mesh(shape, ("data", "fsdp", "model"), (AxisType.Auto,) * 3, devices=devices)
        )

    return enter


@pytest.fixture
def close():
    """Whether two trees agree to `tolerance` relative to the largest entry of each leaf."""

    def check(actual, expected, tolerance):
        assert jax.tree.structure(actual) == jax.tree.structure(expected)
        for one, other in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
            other = np.asarray(other)
            np.testing.assert_allclose(
                np.asarray(one), other, rtol=0, atol=tolerance * max(np.abs(other).max(), 1e-30)
            )

    return check
