"""The step: one device equals eight under any mesh, bounds hold after the update, the running mean follows."""

from __future__ import annotations

import jax
import numpy as np
import optax
import pytest

from configs import base
from vlp.parallel.sharding import global_batch
from vlp.training.build import build_training, model_variables

MESHES = {"one": (1, 1, 1), "mixed": (2, 4, 1)}


def tiny_config():
    config = base.get_config()
    config.unlock()
    config.steps, config.batch_size = 3, 16
    config.model.scan_blocks = "scan"  # compiles faster
    tiny = {"size": "", "width": 32, "depth": 2, "heads": 2, "mlp_dim": 128}
    config.model.update(embed_dim=32)
    config.model.image.update(tiny, patch_size=4, resolution=16, patch_dropout=0.5, pool="class")
    config.model.text.update(tiny)
    config.tokenizer.length = 6
    config.objectives.contrastive.weight = 1.0
    config.optimizer.ema_decay = 0.9
    config.optimizer.schedule.update(name="constant", warmup_steps=0)
    return config


def batch(seed):
    generator = np.random.default_rng(seed)
    return {
        "image": generator.integers(0, 256, (16, 16, 16, 3), dtype=np.uint8),
        "text": generator.integers(4, 50, (16, 6), dtype=np.int32),
        "text_mask": np.arange(6)[None] < generator.integers(2, 7, size=(16, 1)),
    }


def mesh_of(shape):
    automatic = (jax.sharding.AxisType.Auto,) * 3
    return jax.make_mesh(
        shape, ("data", "fsdp", "model"), automatic, devices=jax.devices()[: int(np.prod(shape))]
    )


def run(config, shape):
    """Three updates on a mesh of the given shape; the final state and the losses."""
    mesh = mesh_of(shape)
    with jax.set_mesh(mesh):
        training = build_training(config, vocabulary_size=50, mesh=mesh)
        state, losses = training.initial_state(), []
        for seed in range(3):
            state, metrics = training.train_step(state, global_batch(batch(seed), mesh))
            losses.append(float(metrics["loss"]))
        assert training.train_step._cache_size() == 1  # nothing compiles twice
        return state, losses


@pytest.fixture(scope="module")
def runs():
    return {name: run(tiny_config(), shape) for name, shape in MESHES.items()}


@pytest.mark.slow
def test_one_device_equals_eight(runs):
    (expected, expected_losses), (state, losses) = runs["one"], runs["mixed"]
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-5)
    for one, other in zip(jax.tree.leaves(expected), jax.tree.leaves(state), strict=True):
        np.testing.assert_allclose(np.asarray(one), np.asarray(other), rtol=2e-3, atol=2e-5)


def test_fsdp_really_splits_parameters_and_moments(runs):
    state, _ = runs["mixed"]
    kernel = state.params["model"]["image"]["transformer"]["blocks"]["mlp"]["up"]["kernel"]
    assert kernel.addressable_shards[0].data.size == kernel.size // 4
    shards = [
        leaf.addressable_shards[0].data.size / leaf.size
        for leaf in jax.tree.leaves(state.optimizer)
        if leaf.size > 4096
    ]
    assert shards and max(shards) == 0.25


@pytest.mark.slow
def test_after_an_update_the_scale_is_clamped_and_the_running_mean_follows():
    config = tiny_config()
    config.model.logit_scale.update(init=99.9, max=100.0)
    config.optimizer.update(learning_rate=1.0, weight_decay=0.0, ema_decay=0.5)
    mesh = mesh_of(MESHES["one"])
    with jax.set_mesh(mesh):
        training = build_training(config, vocabulary_size=50, mesh=mesh)
        start = training.initial_state()
        before = jax.device_get(start.ema)
        start.params["model"]["logit_scale"] += 5.0
        state, metrics = training.train_step(start, global_batch(batch(0), mesh))
    # The loss and its gradient see what the parameter says; only what the update leaves is clamped.
    assert float(metrics["contrastive/logit_scale"]) > 1000
    assert float(state.params["model"]["logit_scale"]) <= np.log(100.0) + 1e-6
    expected = optax.incremental_update(jax.device_get(state.params), before, 0.5)
    for one, other in zip(jax.tree.leaves(expected), jax.tree.leaves(state.ema), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)
    assert model_variables(state)["logit_scale"] is state.ema["model"]["logit_scale"]
