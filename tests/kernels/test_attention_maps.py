"""How local attention is: by itself, between its ends and in front of them."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from vlp.kernels.attention import mutual_information


def test_even_attention_says_nothing_and_attention_to_oneself_everything():
    queries, keys = 6, 6
    everywhere = jnp.zeros((2, 3, queries, keys))
    itself = jnp.broadcast_to(1e3 * jnp.eye(queries), (2, 3, queries, keys))
    same = everywhere.at[..., 0].set(1e3)  # all look at the first
    assert float(mutual_information(everywhere)) == pytest.approx(0, abs=1e-6)
    assert float(mutual_information(same)) == pytest.approx(0, abs=1e-6)
    assert float(mutual_information(itself)) == pytest.approx(1, abs=1e-6)


def test_it_is_the_mutual_information_of_the_joint_distribution():
    logits = np.random.default_rng(0).normal(size=(1, 1, 5, 7)) * 2
    joint = np.exp(logits[0, 0]) / np.exp(logits[0, 0]).sum(axis=1, keepdims=True) / 5
    keys = joint.sum(axis=0)
    information = (joint * np.log(joint / keys / (1 / 5))).sum()
    expected = information / np.sqrt(np.log(5) * -(keys * np.log(keys)).sum())
    np.testing.assert_allclose(mutual_information(jnp.asarray(logits)), expected, rtol=1e-5)
