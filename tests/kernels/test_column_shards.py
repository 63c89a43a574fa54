"""Columns in pieces: chunks merged in any order, and columns shared out over devices."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, PartitionSpec

from vlp.kernels.log_sum_exp import log_sum_exp, merge
from vlp.kernels.separated import joint, separated
from vlp.kernels.sigmoid import asymmetric_sigmoid, sigmoid
from vlp.kernels.softmax import reverse_softmax, softmax, softmax_in


def test_chunks_merge_to_the_whole(x64):
    scores = 50 * np.random.default_rng(0).normal(size=(4, 9))
    mask = np.ones((4, 9), bool)
    mask[1, :3], mask[2] = False, False

    def chunked(scores):
        parts = [log_sum_exp(scores[:, i : i + 3], jnp.asarray(mask[:, i : i + 3])) for i in (3, 0, 6)]
        return functools.reduce(merge, parts).value()

    value = np.asarray(chunked(jnp.asarray(scores)))
    expected = np.where(mask, scores, -np.inf)
    np.testing.assert_allclose(value[[0, 1, 3]], np.logaddexp.reduce(expected, axis=1)[[0, 1, 3]], rtol=1e-14)
    assert value[2] == -np.inf
    gradient = jax.grad(lambda s: chunked(s)[jnp.array([0, 1, 3])].sum())(jnp.asarray(scores))
    rows = np.exp(expected - np.where(np.isfinite(value), value, 0)[:, None])
    np.testing.assert_allclose(gradient, rows, atol=1e-12)


KERNELS = {"softmax": softmax, "smoothed": functools.partial(softmax, label_smoothing=0.1)}
KERNELS |= {"softmax_in": softmax_in, "reverse": reverse_softmax, "separated": separated, "joint": joint}
KERNELS |= {"sigmoid": sigmoid, "asymmetric": asymmetric_sigmoid}


@pytest.mark.parametrize("name", KERNELS)
def test_columns_shared_out_over_devices_give_the_whole_loss_and_its_gradient(name, x64):
    generator = np.random.default_rng(1)
    rows, table = generator.normal(size=(5, 3)), generator.normal(size=(16, 3))
    targets, mask = generator.random((5, 16)) < 0.2, generator.random((1, 16)) < 0.7
    arrays = [jnp.asarray(a) for a in (rows, table, targets.astype(np.float64), mask)]
    columns = PartitionSpec(None, "model")

    def loss(rows, table, targets, mask, axis_name=None):
        return KERNELS[name](4 * rows @ table.T, targets, mask=mask, axis_name=axis_name).mean()

    shared = jax.shard_map(
        functools.partial(loss, axis_name="model"),
        mesh=jax.make_mesh((4,), ("model",), axis_types=(AxisType.Auto,), devices=jax.devices()[:4]),
        in_specs=(PartitionSpec(), PartitionSpec("model"), columns, columns),
        out_specs=PartitionSpec(),
    )
    expected = jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))(*arrays)
    actual = jax.jit(jax.value_and_grad(shared, argnums=(0, 1)))(*arrays)
    for one, other in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)
