"""Every objective on one device and on eight: the same loss, metrics, gradients and state afterwards.

An objective has a file of its kind's name in `cases`: SETTINGS make it small; `fields(dice, count)` has the batch
fields that `examples` lacks, CONTEXT what stands beside batches and GIVEN its arrays; `before(objective)` makes an
initial state that has a loss.
"""

from __future__ import annotations

import runpy
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from configs.settings.kinds import kinds
from vlp.models.compute import Compute
from vlp.parallel.sharding import global_batch, state_shardings, variable_splits
from vlp.pretrainer import Pretrainer
from vlp.training.state import split

CASES = {
    kind: runpy.run_path(str(Path(__file__).parent / "cases" / f"{kind}.py")) for kind in kinds("objectives")
}
BATCH = 8


def examples():
    """All fields that any objective reads, of eight random examples."""
    dice = np.random.default_rng(0)

    def pixels(*shape):
        return dice.integers(0, 256, (BATCH, *shape, 3), dtype=np.uint8)

    def captions(*shape):
        return dice.integers(4, 50, (BATCH, *shape, 6), dtype=np.int32)

    def mask(*shape):
        return np.arange(6) < dice.integers(2, 7, (BATCH, *shape, 1))

    return {
        "image": pixels(16, 16),
        "strong": pixels(2, 16, 16),
        "global_crops": pixels(2, 16, 16),
        "local_crops": pixels(3, 8, 8),
        "text": captions(),
        "text_mask": mask(),
        "captions": captions(3),
        "captions_mask": mask(3),
        "label_id": dice.integers(0, 3, (BATCH, 2), dtype=np.int32),
        "cluster_ids": dice.integers(0, 16, (BATCH, 2), dtype=np.int32),
    }


def outcome(config, shape, case):
    """Loss, metrics, state afterwards and gradients on a mesh of the given shape."""
    devices = jax.devices()[: int(np.prod(shape))]
    mesh = jax.make_mesh(shape, ("data", "fsdp", "model"), (AxisType.Auto,) * 3, devices=devices)
    with jax.set_mesh(mesh):
        context = case.get("CONTEXT")
        pretrainer = Pretrainer(config, vocabulary_size=50, compute=Compute(), context=context)
        for objective in pretrainer.objectives.values():
            case.get("before", lambda objective: None)(objective)
        graphdef, params, rest = split(pretrainer)
        params, rest = jax.device_put(
            (params, rest), state_shardings((params, rest), mesh, variable_splits(pretrainer))
        )
        own = case.get("fields", lambda dice, count: {})(np.random.default_rng(2), BATCH)
        batch = {name: rows for name, rows in (examples() | own).items() if name in pretrainer.fields}
        assert set(batch) == set(pretrainer.fields), "a field is missing in `examples`"

        def loss(params, rest, batch):
            module = nnx.merge(graphdef, params, rest, copy=True)
            value, metrics = module(batch, jax.random.key(7), jnp.int32(3))
            return value, (metrics, split(module)[2])

        function = jax.jit(jax.value_and_grad(loss, has_aux=True))
        beside = jax.device_put(case.get("GIVEN", {}), NamedSharding(mesh, PartitionSpec()))
        return jax.device_get(function(params, rest, global_batch(batch, mesh) | beside))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(CASES))
def test_one_device_equals_eight(config, name):
    config.objectives.contrastive.weight = 0.0
    config.objectives[name].weight = 1.0
    config.objectives[name].update(CASES[name]["SETTINGS"])
    (expected, expected_aux), expected_gradients = outcome(config, (1, 1, 1), CASES[name])
    (value, aux), gradients = outcome(config, (2, 2, 2), CASES[name])
    assert np.isfinite(expected) and expected > 0
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    for one, other in zip(jax.tree.leaves(expected_aux), jax.tree.leaves(aux), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-5)
    largest = max(np.abs(leaf).max() for leaf in jax.tree.leaves(expected_gradients))
    assert largest > 0
    for one, other in zip(jax.tree.leaves(expected_gradients), jax.tree.leaves(gradients), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-3, atol=1e-5 * largest)
