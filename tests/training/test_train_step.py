"""The step: a run on one device equals eight under any mesh, no second copy of the state, bounds, running mean."""

from __future__ import annotations

import jax
import numpy as np
import optax
import pytest

from configs import base
from vlp.parallel.sharding import global_batch
from vlp.training.build import build_training, model_variables

STEPS, BATCH = 20, 16
MESHES = {"one": (1, 1, 1), "fsdp": (2, 4, 1), "model": (2, 1, 4), "all": (2, 2, 2)}


def tiny_config():
    config = base.get_config()
    config.unlock()
    config.steps, config.batch_size = STEPS, BATCH
    config.model.scan_blocks = "scan"  # compiles faster
    tiny = {"size": "", "width": 32, "depth": 2, "heads": 4, "mlp_dim": 128}
    config.model.update(embed_dim=32)
    config.model.image.update(tiny, patch_size=4, resolution=16, patch_dropout=0.5, pool="class")
    config.model.text.update(tiny)
    config.tokenizer.length = 6
    config.objectives.contrastive.weight = 1.0
    config.objectives.discrimination.update(weight=0.5, classes=256, scale=8.0, rate=1.0, chunk=3)
    config.optimizer.ema_decay = 0.9
    config.optimizer.schedule.update(name="constant", warmup_steps=0)
    return config


def batch(seed):
    generator = np.random.default_rng(seed)
    return {
        "image": generator.integers(0, 256, (BATCH, 16, 16, 3), dtype=np.uint8),
        "text": generator.integers(4, 50, (BATCH, 6), dtype=np.int32),
        "text_mask": np.arange(6)[None] < generator.integers(2, 7, size=(BATCH, 1)),
        "cluster_ids": generator.integers(0, 256, (BATCH, 2), dtype=np.int32),
    }


def mesh_of(shape):
    automatic = (jax.sharding.AxisType.Auto,) * 3
    return jax.make_mesh(
        shape, ("data", "fsdp", "model"), automatic, devices=jax.devices()[: int(np.prod(shape))]
    )


def run(config, shape):
    """A whole run on a mesh of the given shape; the final state and the losses."""
    mesh = mesh_of(shape)
    with jax.set_mesh(mesh):
        training = build_training(config, vocabulary_size=50, mesh=mesh)
        state, losses = training.initial_state(), []
        for seed in range(STEPS):
            state, metrics = training.train_step(state, global_batch(batch(seed), mesh))
            losses.append(float(metrics["loss"]))
        assert training.train_step._cache_size() == 1  # nothing compiles twice
        return state, losses


@pytest.fixture(scope="module")
def on_one_device():
    return run(tiny_config(), MESHES["one"])


def assert_same_run(actual, expected):
    (state, losses), (expected_state, expected_losses) = actual, expected
    assert expected_losses[-1] < expected_losses[0]
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-4)
    for one, other in zip(jax.tree.leaves(expected_state), jax.tree.leaves(state), strict=True):
        np.testing.assert_allclose(np.asarray(one), np.asarray(other), rtol=2e-3, atol=5e-5)


def share(leaf):
    """How much of an array a device holds."""
    return leaf.addressable_shards[0].data.size / leaf.size


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fsdp", "model", "all"])
def test_one_device_equals_eight_and_each_holds_its_part(on_one_device, name):
    config = tiny_config()
    if name == "all":
        config.model.micro_batch = 8  # and gradients are those of the whole batch
    _, fsdp, model = MESHES[name]
    state, losses = run(config, MESHES[name])
    assert_same_run((state, losses), on_one_device)
    block = state.params["model"]["image"]["transformer"]["blocks"]
    for kernel in ("up", "down"):
        assert share(block["mlp"][kernel]["kernel"]) == 1 / (fsdp * model)
    assert share(block["attention"]["qkv"]["kernel"]) == 1 / (fsdp * model)
    assert share(state.params["objectives"]["discrimination"]["class_centres"]) == 1 / (fsdp * model)
    moments = [leaf for leaf in jax.tree.leaves((state.optimizer, state.ema)) if leaf.shape == (2, 32, 128)]
    assert {share(leaf) for leaf in moments} == {1 / (fsdp * model)}


@pytest.mark.slow
def test_what_an_axis_does_not_divide_is_left_whole_and_changes_nothing():
    config = tiny_config()
    config.model.embed_dim = 7
    config.model.image.update(width=44, heads=2, mlp_dim=90)
    config.model.text.update(width=42, heads=2, mlp_dim=86)
    state, losses = run(config, (1, 4, 2))
    assert_same_run((state, losses), run(config, MESHES["one"]))
    up = {
        tower: state.params["model"][tower]["transformer"]["blocks"]["mlp"]["up"]["kernel"]
        for tower in ("image", "text")
    }
    assert share(up["image"]) == 1 / 8  # 44 x 90: over fsdp and model
    assert share(up["text"]) == 1 / 2  # 42 x 86: over model alone


@pytest.mark.slow
def test_the_state_is_given_back_in_place_and_never_copied():
    """What the compiler allots beside the state is less than another one: gradients, activations, updates."""
    mesh = mesh_of(MESHES["fsdp"])
    with jax.set_mesh(mesh):
        training = build_training(tiny_config(), vocabulary_size=50_000, mesh=mesh)
        rows = {name: global_batch({name: field}, mesh)[name] for name, field in batch(0).items()}
        memory = training.train_step.lower(training.abstract_state, rows).compile().memory_analysis()
    held = [leaf.sharding.shard_shape(leaf.shape) for leaf in jax.tree.leaves(training.abstract_state)]
    state = sum(4 * int(np.prod(shape)) for shape in held)
    assert memory.alias_size_in_bytes >= state
    assert memory.output_size_in_bytes - memory.alias_size_in_bytes < 4096  # metrics
    assert memory.temp_size_in_bytes < state


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
