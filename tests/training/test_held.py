"""What no rule trains costs no backward pass, has no moments, stays to the bit, and is saved and restored."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from configs import quickstart
from vlp.checkpoint.arrays import load_arrays, start_saving, write_listing
from vlp.parallel.sharding import global_batch
from vlp.training.build import build_training, model_variables
from vlp.training.optimizer import make_optimizer
from vlp.training.state import divide, from_checkpoint, to_checkpoint

IMAGE = "^model/image/ = 0"


def training_of(rules="", *, ema=0.0, small=True):
    config = quickstart.get_config("runlocal")
    config.model.scan_blocks = "unroll"  # XLA counts the body of a loop once
    config.optimizer.update(learning_rate_rules=rules, ema_decay=ema)
    if small:
        config.batch_size = 8
        tiny = {"size": "", "width": 32, "depth": 1, "heads": 2, "mlp_dim": 64}
        config.model.image.update(tiny, resolution=32, patch_size=16)
        config.model.text.update(tiny)
    mesh = jax.make_mesh((1, 1, 1), ("data", "fsdp", "model"), (jax.sharding.AxisType.Auto,) * 3)
    with jax.set_mesh(mesh):
        return config, build_training(config, vocabulary_size=512, mesh=mesh), mesh


def batch_of(config, seed=0):
    dice = np.random.default_rng(seed)
    rows, side, length = config.batch_size, config.model.image.resolution, config.tokenizer.length
    return {
        "image": dice.integers(0, 256, (rows, side, side, 3), dtype=np.uint8),
        "text": dice.integers(4, 500, (rows, length), dtype=np.int32),
        "text_mask": np.arange(length) < dice.integers(2, length, (rows, 1)),
    }


def moments(optimizer):
    """Paths of second moments."""
    leaves = jax.tree_util.tree_leaves_with_path(optimizer)
    names = (jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in leaves)
    return {name.partition("/nu/")[2] for name in names if "/nu/" in name}


def flops(rules):
    config, training, mesh = training_of(rules, small=False)
    with jax.set_mesh(mesh):
        rows = {name: jax.ShapeDtypeStruct(one.shape, one.dtype) for name, one in batch_of(config).items()}
        return training.train_step.lower(training.abstract_state, rows).compile().cost_analysis()["flops"]


@pytest.mark.slow
def test_a_step_with_a_held_image_tower_costs_what_it_should():
    assert flops(IMAGE) <= 0.62 * flops("")


@pytest.fixture(scope="module")
def steps():
    """Two steps with a held image tower: before, after, and the metrics."""
    config, training, mesh = training_of(IMAGE, ema=0.9)
    with jax.set_mesh(mesh):
        state = training.initial_state()
        before = jax.device_get((state.params, state.ema))
        for seed in range(2):
            state, metrics = training.train_step(state, global_batch(batch_of(config, seed), mesh))
        return training, before, state, jax.device_get(metrics)


def test_what_is_held_stays_to_the_bit_and_has_neither_moments_nor_mean(steps):
    training, (before, _), state, metrics = steps
    trained, held = divide(jax.device_get(state.params), training.held)
    assert set(held) == {"model"} and set(held["model"]) == {"image"} and "image" not in trained["model"]
    jax.tree.map(np.testing.assert_array_equal, held, divide(before, training.held)[1])
    assert not any(path.startswith("model/image/") for path in moments(state.optimizer))
    assert any(path.startswith("model/text/") for path in moments(state.optimizer))
    assert set(state.ema["model"]) == {*before["model"]} - {"image"}
    norm = np.sqrt(sum(np.square(leaf, dtype=np.float64).sum() for leaf in jax.tree.leaves(trained)))
    assert metrics["parameter_norm"] == pytest.approx(norm, rel=1e-5)
    assert metrics["gradient_norm"] > 0


def test_the_model_to_evaluate_is_whole(steps):
    _, _, state, _ = steps
    variables = model_variables(state)
    assert (
        variables["image"]["position"]["embedding"] is state.params["model"]["image"]["position"]["embedding"]
    )
    assert variables["text"]["position"]["embedding"] is state.ema["model"]["text"]["position"]["embedding"]


def test_a_checkpoint_is_whole_and_brings_the_state_back(steps, tmp_path):
    training, _, state, _ = steps
    parts = dict(zip(("model", "training"), to_checkpoint(state), strict=True))
    assert set(parts["model"]["ema"]["model"]) == set(parts["model"]["params"]["model"])
    start_saving(tmp_path, parts)()
    write_listing(tmp_path, parts)
    abstract = dict(zip(("model", "training"), to_checkpoint(training.abstract_state), strict=True))
    restored = from_checkpoint(**load_arrays(tmp_path, abstract), held=training.held)
    assert jax.tree.structure(restored) == jax.tree.structure(state)
    jax.tree.map(np.testing.assert_array_equal, restored, state)


def test_gradients_are_those_of_everything_without_the_held_ones(steps):
    config, training, mesh = training_of("", ema=0.9)
    _, (before, _), _, _ = steps
    with jax.set_mesh(mesh):
        whole = training.initial_state()
        gradients = training.gradient(whole, global_batch(batch_of(config), mesh))[1]
        alone = steps[0].gradient(whole, global_batch(batch_of(config), mesh))[1]
    jax.tree.map(np.testing.assert_array_equal, whole.params, before)
    for one, other in zip(
        jax.tree.leaves(divide(gradients, steps[0].held)[0]), jax.tree.leaves(alone), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_checkpoints_of_frozen_towers_from_before_have_the_same_arrays(steps):
    """Then the optimiser was given all parameters, and made no moments for those frozen."""
    config, training, _ = training_of(IMAGE)
    params = training.abstract_state.params
    optimizer, _ = make_optimizer(config.optimizer, config.steps, params)
    then, now = (
        [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(state)]
        for state in (jax.eval_shape(optimizer.init, params), training.abstract_state.optimizer)
    )
    assert then == now


def test_holding_everything_is_refused():
    with pytest.raises(ValueError, match=r"rules='\.\* = 0' freezes every parameter: leave one to train"):
        training_of(".* = 0")


def test_a_scale_that_is_held_is_within_no_bounds():
    """An imported model's may lie above the limit of training; by a rule or by its setting it is left where it is."""
    path = ("model", "logit_scale")
    assert path in training_of()[1].bounds
    assert path not in training_of("^model/logit_scale = 0")[1].bounds
