"""The step: one device equals eight under any mesh, bounds hold after the update, the running mean follows."""

from __future__ import annotations

import jax
import numpy as np
import optax
import pytest

from configs import base
from vlp.parallel.mesh import make_mesh
from vlp.parallel.sharding import global_batch
from vlp.training.build import build_training, model_variables

MESHES = {"one": (1, 1, 1), "data": (8, 1, 1), "mixed": (2, 4, 1)}


@pytest.fixture
def config():
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
    config.optimizer.schedule.update(name="constant", warmup_steps=0)
    return config


def run(config, shape):
    """Three updates on a mesh of the given shape; the final state on the host and the losses."""
    generator = np.random.default_rng(0)
    batches = [
        {
            "image": generator.integers(0, 256, (16, 16, 16, 3), dtype=np.uint8),
            "text": generator.integers(4, 50, (16, 6), dtype=np.int32),
            "text_mask": np.arange(6)[None] < generator.integers(2, 7, size=(16, 1)),
        }
        for _ in range(3)
    ]
    sizes = dict(zip(("data", "fsdp", "model"), shape, strict=True))
    mesh = make_mesh(sizes) if np.prod(shape) > 1 else single_device_mesh()
    with jax.set_mesh(mesh):
        training = build_training(config, vocabulary_size=50, mesh=mesh)
        state, losses = training.initial_state(), []
        for batch in batches:
            state, metrics = training.train_step(state, global_batch(batch, mesh))
            losses.append(float(metrics["loss"]))
        assert training.train_step._cache_size() == 1  # nothing compiles twice
        return state, losses, training


def single_device_mesh():
    automatic = (jax.sharding.AxisType.Auto,) * 3
    return jax.make_mesh((1, 1, 1), ("data", "fsdp", "model"), automatic, devices=jax.devices()[:1])


def test_one_device_equals_eight(config):
    config.optimizer.ema_decay = 0.9
    expected, expected_losses, _ = run(config, MESHES["one"])
    for name in ("data", "mixed"):
        state, losses, _ = run(config, MESHES[name])
        np.testing.assert_allclose(losses, expected_losses, rtol=1e-5)
        for one, other in zip(jax.tree.leaves(expected), jax.tree.leaves(state), strict=True):
            np.testing.assert_allclose(np.asarray(one), np.asarray(other), rtol=2e-3, atol=2e-5)


def test_fsdp_really_splits_parameters_and_moments(config):
    state, _, _ = run(config, MESHES["mixed"])
    kernel = state.params["model"]["image"]["transformer"]["blocks"]["mlp"]["up"]["kernel"]
    assert kernel.addressable_shards[0].data.size == kernel.size // 4
    shards = [
        leaf.addressable_shards[0].data.size / leaf.size
        for leaf in jax.tree.leaves(state.optimizer)
        if leaf.size > 4096
    ]
    assert shards and max(shards) == 0.25


def test_the_scale_is_clamped_after_the_update_and_not_in_the_gradient(config):
    config.model.logit_scale.update(init=99.9, max=100.0)
    config.optimizer.update(learning_rate=1.0, weight_decay=0.0)
    state, _, training = run(config, MESHES["one"])
    assert float(state.params["model"]["logit_scale"]) <= np.log(100.0) + 1e-6
    start = training.initial_state()
    above = jax.tree.map(lambda leaf: leaf, start.params)
    above["model"]["logit_scale"] = above["model"]["logit_scale"] + 5.0
    assert np.exp(float(above["model"]["logit_scale"])) > 100  # the loss still sees what the parameter says


def test_the_running_mean_is_what_optax_says_and_is_what_evaluation_gets(config):
    config.optimizer.update(ema_decay=0.5, learning_rate=1e-2)
    _, _, training = run(config, MESHES["one"])
    mesh = single_device_mesh()
    with jax.set_mesh(mesh):
        state = training.initial_state()
        before = jax.device_get(state.ema)
        batch = {
            "image": np.zeros((16, 16, 16, 3), np.uint8) + np.arange(16, dtype=np.uint8)[:, None, None, None],
            "text": np.arange(96, dtype=np.int32).reshape(16, 6) % 40 + 4,
            "text_mask": np.ones((16, 6), bool),
        }
        state, _ = training.train_step(state, global_batch(batch, mesh))
    expected = optax.incremental_update(jax.device_get(state.params), before, 0.5)
    for one, other in zip(jax.tree.leaves(expected), jax.tree.leaves(state.ema), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)
    assert model_variables(state)["logit_scale"] is state.ema["model"]["logit_scale"]
