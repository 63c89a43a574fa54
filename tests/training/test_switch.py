"""From one stage to the next: positions are the peers' resampling, all else stays, and meshes make no difference."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from configs import base
from vlp.configuration import stages
from vlp.encodings import Encodings
from vlp.parallel.sharding import global_batch
from vlp.training.build import build_training
from vlp.training.switch import carried, check_carried, resampled

BATCH, WIDTH = 8, 64
SMALL, LARGE = (16, 8), (32, 20)  # resolution, text length
KEY = jax.tree_util.DictKey


def config_of(**optimizer):
    config = base.get_config()
    config.unlock()
    config.update(steps=4, batch_size=BATCH)
    config.stages.update(until=(2,), resolution=SMALL[:1], text_length=SMALL[1:], patch_dropout=(0.5,))
    tiny = {"size": "", "width": WIDTH, "depth": 1, "heads": 2, "mlp_dim": 64}
    config.model.update(embed_dim=16, scan_blocks="scan")
    config.model.image.update(tiny, patch_size=4, resolution=LARGE[0], pool="class", registers=1)
    config.model.text.update(tiny)
    config.tokenizer.length = LARGE[1]
    config.objectives.contrastive.weight = 1.0
    config.optimizer.update(ema_decay=0.5, **optimizer)
    config.optimizer.schedule.update(name="constant", warmup_steps=0)
    return config


def batch(resolution, length, seed=0):
    dice = np.random.default_rng(seed)
    return {
        "image": dice.integers(0, 256, (BATCH, resolution, resolution, 3), dtype=np.uint8),
        "text": dice.integers(4, 50, (BATCH, length), dtype=np.int32),
        "text_mask": np.arange(length)[None] < dice.integers(2, length + 1, size=(BATCH, 1)),
    }


def mesh_of(*shape):
    automatic = (jax.sharding.AxisType.Auto,) * 3
    return jax.make_mesh(
        shape, ("data", "fsdp", "model"), automatic, devices=jax.devices()[: int(np.prod(shape))]
    )


def trainings(config, mesh):
    return [build_training(plan.config, vocabulary_size=50, mesh=mesh) for plan in stages(config)]


def run(shape):
    """Two steps in each stage: the state before, after the switch and at the end, the losses, and how much of the new
    positions a device holds."""
    mesh = mesh_of(*shape)
    with jax.set_mesh(mesh):
        small, large = trainings(config_of(), mesh)
        state, losses = small.initial_state(), []
        for training, sizes in ((small, SMALL), (large, LARGE)):
            before = jax.device_get(state)
            state = carried(state, training.abstract_state)
            switched, positions = (
                jax.device_get(state),
                state.params["model"]["image"]["position"]["embedding"],
            )
            held = positions.sharding.shard_shape(positions.shape)
            for seed in range(2):
                state, metrics = training.train_step(state, global_batch(batch(*sizes, seed), mesh))
                losses.append(float(metrics["loss"]))
            assert training.train_step._cache_size() == 1  # one program a stage
    return before, switched, state, losses, held


def table(size, seed=0):
    return np.random.default_rng(seed).normal(size=(size, 6)).astype(np.float32)


def path(*keys, field="params"):
    return (jax.tree_util.GetAttrKey(field), *map(KEY, keys))


IMAGE, TEXT = (("model", tower, "position", "embedding") for tower in ("image", "text"))
RESNET = ("model", "image", "attention_pool", "position", "embedding")


@pytest.mark.parametrize(("old", "new"), [(3, 7), (7, 14), (8, 6)])
def test_tables_are_resampled_as_torch_does_it(old, new):
    torch = pytest.importorskip("torch", reason="compares with torch: pip install -r requirements-peers.txt")

    def by_torch(rows, shape, **how):
        size = torch.from_numpy(rows.T.reshape(1, 6, *shape[0]))
        out = torch.nn.functional.interpolate(size, size=shape[1], align_corners=False, **how)
        return out.numpy().reshape(6, -1).T

    grid = table(old * old)
    expected = by_torch(grid, ((old, old), (new, new)), mode="bicubic")
    np.testing.assert_allclose(resampled(path(*IMAGE), grid, (new * new, 6)), expected, atol=1e-5)
    behind = np.concatenate([table(1, seed=1), grid])
    after = np.concatenate([behind[:1], expected])
    np.testing.assert_allclose(resampled(path(*RESNET), behind, (new * new + 1, 6)), after, atol=1e-5)
    expected = by_torch(table(old), ((old,), (new,)), mode="linear")
    np.testing.assert_allclose(resampled(path(*TEXT), table(old), (new, 6)), expected, atol=1e-5)
    moments = np.square(grid)
    expected = by_torch(moments, ((old, old), (new, new)), mode="bilinear")
    found = resampled(path(*IMAGE, field="nu"), moments, (new * new, 6))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert found.min() >= 0


def test_only_tables_of_positions_can_become_others():
    mesh = mesh_of(1, 1, 1)
    config = config_of()
    config.objectives.self_distillation.update(weight=1.0, hidden_width=8, bottleneck_width=8, prototypes=8)
    small, large = trainings(config, mesh)
    check_carried(small.abstract_state, large.abstract_state)  # the teacher's among them
    config.optimizer.name = "adafactor"
    check_carried(
        *(one.abstract_state for one in trainings(config, mesh))
    )  # 16 and 64 rows have whole moments
    config.model.image.update(resolution=64, width=128)
    with pytest.raises(ValueError, match="Adafactor factors those of 128 positions"):
        check_carried(*(one.abstract_state for one in trainings(config, mesh)))


@pytest.fixture(scope="module")
def on_one_device():
    return run((1, 1, 1))


@pytest.mark.slow
def test_all_but_positions_passes_the_switch_untouched(on_one_device):
    before, switched, *_ = on_one_device
    pairs = zip(jax.tree_util.tree_leaves_with_path(before), jax.tree.leaves(switched), strict=True)
    resized = []
    for (where, one), other in pairs:
        if one.shape != other.shape:
            resized.append(jax.tree_util.keystr(where))
            assert other.dtype == one.dtype and other.shape[1] == one.shape[1] == WIDTH
            if ".nu" in resized[-1]:
                assert 0 <= one.min() <= np.min(other) <= np.max(other) <= one.max()
    # Parameters, running mean, both moments; of both towers.
    assert len(resized) == 8 and all("['position']['embedding']" in where for where in resized)


@pytest.mark.slow
def test_the_tower_sees_large_images_after_the_switch_as_it_saw_them_before(on_one_device):
    before, *_ = on_one_device
    mesh = mesh_of(1, 1, 1)
    with jax.set_mesh(mesh):
        small, large = trainings(config_of(), mesh)
        state = jax.device_put(before, jax.tree.map(lambda leaf: leaf.sharding, small.abstract_state))
        switched = carried(state, large.abstract_state)
        assert switched.params["model"]["logit_scale"] is state.params["model"]["logit_scale"]
        assert carried(switched, large.abstract_state) is switched
        rows = []
        for training, one in ((small, state), (large, switched)):
            module = nnx.merge(training.pretrainer_graphdef, one.params, one.rest)
            fields = {"image": jnp.asarray(batch(*LARGE)["image"])}
            encodings = Encodings(module.model, fields, key=None, step=0, mean=module.mean, std=module.std)
            rows.append(encodings.image())
    np.testing.assert_allclose(rows[0], rows[1], atol=1e-5)


@pytest.mark.slow
def test_one_device_equals_eight_over_a_switch(on_one_device):
    *_, expected, expected_losses, _ = on_one_device
    *_, state, losses, held = run((2, 2, 2))
    assert held == (32, WIDTH)  # split by fsdp, as the small table is not
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-4)
    for one, other in zip(jax.tree.leaves(expected), jax.tree.leaves(state), strict=True):
        np.testing.assert_allclose(np.asarray(one), np.asarray(other), rtol=2e-3, atol=5e-5)
