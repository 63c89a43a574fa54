"""Every objective on one device and on eight: the same loss, metrics, gradients and state afterwards.

A new objective needs a row of SETTINGS (what makes it small), in `examples` the batch fields that it reads, and a row
of BEFORE if it has no loss in its initial state.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.sharding import AxisType

from configs.settings.kinds import kinds
from vlp.kernels.unit import unit
from vlp.models.compute import Compute
from vlp.parallel.sharding import global_batch, state_shardings, variable_splits
from vlp.pretrainer import Pretrainer
from vlp.training.state import split

SETTINGS = {
    "contrastive": {"targets": "label"},
    "discrimination": {"classes": 16, "scale": 8.0, "rate": 1.0, "chunk": 3},
    "grouping": {},
    "prototypes": {"episode_size": 16, "clusters": 3, "dim": 8, "head_width": 16, "temperature": 0.1},
    "ranking": {"hardest": False},
    "self_distillation": {"hidden_width": 16, "bottleneck_width": 8, "prototypes": 32},
    "view_contrast": {"hidden_width": 16, "output_width": 8},
}
BATCH = 8


def remember_clusters(objective):
    """The clusters of an episode that is about to begin."""
    dice = np.random.default_rng(1)
    features = {name: unit(jnp.asarray(dice.normal(size=(16, 8)), jnp.float32)) for name in ("image", "text")}
    labels = {name: jnp.asarray(dice.integers(0, 3, 16), jnp.int32) for name in features}
    objective.remember(features, {name: rows[:3] for name, rows in features.items()}, labels)


BEFORE = {"prototypes": remember_clusters}


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


def outcome(config, shape):
    """Loss, metrics, state afterwards and gradients on a mesh of the given shape."""
    devices = jax.devices()[: int(np.prod(shape))]
    mesh = jax.make_mesh(shape, ("data", "fsdp", "model"), (AxisType.Auto,) * 3, devices=devices)
    with jax.set_mesh(mesh):
        pretrainer = Pretrainer(config, vocabulary_size=50, compute=Compute())
        for name, objective in pretrainer.objectives.items():
            BEFORE.get(name, lambda objective: None)(objective)
        graphdef, params, rest = split(pretrainer)
        params, rest = jax.device_put((params, rest), state_shardings((params, rest), mesh, variable_splits(pretrainer)))
        batch = {name: rows for name, rows in examples().items() if name in pretrainer.fields}
        assert set(batch) == set(pretrainer.fields), "a field is missing in `examples`"

        def loss(params, rest, batch):
            module = nnx.merge(graphdef, params, rest, copy=True)
            value, metrics = module(batch, jax.random.key(7), jnp.int32(3))
            return value, (metrics, split(module)[2])

        function = jax.jit(jax.value_and_grad(loss, has_aux=True))
        return jax.device_get(function(params, rest, global_batch(batch, mesh)))


def test_the_table_has_every_objective():
    assert set(SETTINGS) == set(kinds("objectives"))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_one_device_equals_eight(config, name):
    config.objectives.contrastive.weight = 0.0
    config.objectives[name].weight = 1.0
    config.objectives[name].update(SETTINGS[name])
    (expected, expected_aux), expected_gradients = outcome(config, (1, 1, 1))
    (value, aux), gradients = outcome(config, (2, 2, 2))
    assert np.isfinite(expected) and expected > 0
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    for one, other in zip(jax.tree.leaves(expected_aux), jax.tree.leaves(aux), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-5)
    largest = max(np.abs(leaf).max() for leaf in jax.tree.leaves(expected_gradients))
    assert largest > 0
    for one, other in zip(jax.tree.leaves(expected_gradients), jax.tree.leaves(gradients), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-3, atol=1e-5 * largest)
