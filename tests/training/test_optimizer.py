"""Optimisers by path rules: steps against numpy, masks, multipliers, freezing, the same under a mesh."""

from __future__ import annotations

import operator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import AxisType
from ml_collections import ConfigDict

from vlp.parallel.sharding import state_shardings
from vlp.path_rules import tree_paths
from vlp.training.optimizer import make_optimizer

RATE, DECAY, B1, B2, EPS = 0.01, 0.1, 0.9, 0.98, 1e-6
DECAY_RULES = (
    "(bias|scale|position|class_token)$ = 0; .* = 1"  # of the tree below; those of real towers have a test
)


def config_with(**fields: Any) -> ConfigDict:
    config = ConfigDict(
        dict(name="adamw", learning_rate=RATE, b1=B1, b2=B2, eps=EPS, weight_decay=DECAY, clip_norm=1.0,
             momentum_dtype="float32",
             learning_rate_rules="", weight_decay_rules=DECAY_RULES,
             schedule=dict(name="constant", warmup_steps=0, cooldown_steps=0, final=0.0))
    )  # fmt: skip
    config.update(fields)
    return config


def random_tree(seed: int, scale: float = 1.0) -> dict[str, Any]:
    def draw(*shape: int) -> jax.Array:
        return jnp.asarray(scale * generator.standard_normal(shape), jnp.float32)

    generator = np.random.default_rng(seed)
    return {
        "image": {"dense": {"kernel": draw(3, 4), "bias": draw(4)}, "norm": {"scale": draw(4)},
                  "position": draw(5, 4), "class_token": draw(4)},
        "text": {"blocks": {0: {"kernel": draw(2, 2)}}},
        "logit_scale": draw(),
    }  # fmt: skip


def flat(tree: Any) -> dict[str, np.ndarray]:
    return dict(
        zip(tree_paths(tree), (np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(tree)), strict=True)
    )


def run_steps(config: ConfigDict, gradients: list[Any], params: Any, steps: int = 10) -> tuple[Any, Any]:
    optimizer, _ = make_optimizer(config, steps, params)
    state = optimizer.init(params)
    for gradient in gradients:
        updates, state = jax.jit(optimizer.update)(gradient, state, params)
        params = optax.apply_updates(params, updates)
    return params, state


def numpy_adamw(gradients: list[Any], params: Any, rates: dict[str, float], decays: dict[str, float]) -> dict:
    """AdamW of the paper in float64, with clipping at norm 1 over what is trained (rate not 0)."""
    values = flat(params)
    trained = [path for path in values if rates.get(path, 1.0)]
    mean, square = ({path: np.zeros_like(values[path]) for path in trained} for _ in range(2))
    for t, gradient in enumerate(map(flat, gradients), start=1):
        norm = np.sqrt(sum((gradient[path] ** 2).sum() for path in trained))
        for path in trained:
            g = gradient[path] / max(1.0, norm)
            mean[path] = B1 * mean[path] + (1 - B1) * g
            square[path] = B2 * square[path] + (1 - B2) * g**2
            adam = mean[path] / (1 - B1**t) / (np.sqrt(square[path] / (1 - B2**t)) + EPS)
            step = adam + DECAY * decays.get(path, 1.0) * values[path]
            values[path] = values[path] - RATE * rates.get(path, 1.0) * step
    return values


NO_DECAY = dict.fromkeys(
    ("image/dense/bias", "image/norm/scale", "image/position", "image/class_token", "logit_scale"), 0.0
)


def assert_same(params: Any, expected: dict[str, np.ndarray]) -> None:
    for path, value in flat(params).items():
        np.testing.assert_allclose(value, expected[path], rtol=1e-5, atol=1e-6, err_msg=path)


@pytest.mark.parametrize("scale", [1.0, 1e-3])  # above and below the clipping norm
def test_steps_are_those_of_numpy_adamw(scale: float) -> None:
    params, gradients = random_tree(0), [random_tree(seed, scale) for seed in (1, 2, 3)]
    result, _ = run_steps(config_with(), gradients, params)
    assert_same(result, numpy_adamw(gradients, params, {}, NO_DECAY))


def test_multipliers_scale_the_rate_and_the_decay() -> None:
    params, gradients = random_tree(0), [random_tree(1), random_tree(2)]
    config = config_with(
        learning_rate_rules="^text/ = 0.5; logit_scale$ = 10",
        weight_decay_rules=f"dense/kernel = 0.25; {DECAY_RULES}",
    )
    result, _ = run_steps(config, gradients, params)
    rates = {"text/blocks/0/kernel": 0.5, "logit_scale": 10.0}
    assert_same(result, numpy_adamw(gradients, params, rates, {**NO_DECAY, "image/dense/kernel": 0.25}))


def test_frozen_parameters_keep_their_bits_and_have_no_state() -> None:
    params, gradients = random_tree(0), [random_tree(1, 100.0), random_tree(2)]
    result, state = run_steps(config_with(learning_rate_rules="^image/ = 0"), gradients, params)
    jax.tree.map(np.testing.assert_array_equal, result["image"], params["image"])
    # The frozen tower's huge gradients are no part of the norm that clips the rest.
    rates = {path: 0.0 for path in flat(params) if path.startswith("image/")}
    assert_same(result, numpy_adamw(gradients, params, rates, NO_DECAY))
    moments = [leaf for leaf in jax.tree.leaves(state) if leaf.dtype == jnp.float32]
    assert sorted(leaf.shape for leaf in moments) == [(), (), (2, 2), (2, 2)]
    assert not any("image" in path for path in tree_paths(state))


def test_everything_can_be_frozen_but_one() -> None:
    params = random_tree(0)
    result, _ = run_steps(
        config_with(learning_rate_rules="^logit_scale$ = 1; .* = 0"), [random_tree(1)], params
    )
    changed = [path for path, value in flat(result).items() if (value != flat(params)[path]).any()]
    assert changed == ["logit_scale"]


def test_clip_norm_zero_is_off() -> None:
    params, gradient = random_tree(0), random_tree(1, 100.0)
    _, state = run_steps(config_with(clip_norm=0.0), [gradient], params)
    mean = optax.tree_utils.tree_get(state, "mu")
    np.testing.assert_allclose(mean["logit_scale"], 0.1 * gradient["logit_scale"], rtol=1e-5)


def test_the_schedule_is_returned_and_used() -> None:
    config = config_with(schedule=dict(name="constant", warmup_steps=4, cooldown_steps=0, final=0.0))
    params = random_tree(0)
    _, schedule = make_optimizer(config, 10, params)
    assert float(schedule(2)) == pytest.approx(RATE / 2)
    result, _ = run_steps(config, [random_tree(1)], params)
    jax.tree.map(np.testing.assert_array_equal, result, params)  # the first step of a warm-up has rate 0


def test_abstract_parameters_are_enough() -> None:
    params = random_tree(0)
    abstract = jax.eval_shape(lambda: params)
    optimizer, _ = make_optimizer(config_with(learning_rate_rules="^text = 0"), 10, abstract)
    expected = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), optimizer.init(params))
    assert (
        jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), jax.eval_shape(optimizer.init, abstract))
        == expected
    )


def test_until_ends_a_parameters_own_schedule_and_then_freezes_it() -> None:
    params, gradients = random_tree(0), [random_tree(seed) for seed in range(1, 5)]
    cosine = dict(name="cosine", warmup_steps=1, cooldown_steps=0, final=0.0)
    config = config_with(schedule=cosine, learning_rate_rules="^image/ = 1 until 3")
    after_three, _ = run_steps(config, gradients[:3], params)
    after_four, _ = run_steps(config, gradients, params)
    alone, _ = run_steps(config_with(schedule=cosine), gradients[:3], params, steps=3)
    assert_same(after_three["image"], flat(alone["image"]))
    for path, value in flat(after_four).items():
        assert (value == flat(after_three)[path]).all() == path.startswith("image/"), path


def test_until_freezes_at_its_step_also_where_the_schedule_has_not_come_down() -> None:
    params, gradients = random_tree(0), [random_tree(seed) for seed in range(1, 4)]
    config = config_with(learning_rate_rules="^image/ = 0.5 until 2")
    after = [run_steps(config, gradients[:count], params)[0] for count in (1, 2, 3)]
    alone, _ = run_steps(config_with(learning_rate_rules="^image/ = 0.5"), gradients[:2], params)
    assert_same(after[1], flat(alone))
    for path, value in flat(after[2]).items():
        assert (value == flat(after[1])[path]).all() == path.startswith("image/"), path
    assert (flat(after[0])["image/position"] != flat(after[1])["image/position"]).any()


def blocks(seed: int) -> dict[str, Any]:
    """A stack of matrices large enough to be factored, and what is no such thing."""
    generator = np.random.default_rng(seed)
    kernel = jnp.asarray(generator.standard_normal((2, 128, 256)), jnp.float32)
    up = {"kernel": kernel, "bias": jnp.asarray(generator.standard_normal((2, 256)), jnp.float32)}
    embedding = jnp.asarray(generator.standard_normal((50, 16)), jnp.float32)
    return {"model": {"text": {"blocks": {"mlp": {"up": up}}, "embedding": {"embedding": embedding}}}}


def plain(name: str, **fields: Any) -> ConfigDict:
    return config_with(name=name, weight_decay=0.0, clip_norm=0.0, weight_decay_rules="", **fields)


def test_adafactor_is_its_papers_in_numpy() -> None:
    params, gradients = blocks(0), [blocks(1), blocks(2)]
    result, state = run_steps(plain("adafactor"), gradients, params)
    path = "model/text/blocks/mlp/up/kernel"
    row = column = momentum = 0.0
    for t, gradient in enumerate(map(flat, gradients), start=1):
        g, decay = gradient[path], min(B2, 1 - t**-0.8)
        row = decay * row + (1 - decay) * (g**2).mean(2)
        column = decay * column + (1 - decay) * (g**2).mean(1)
        second = row[:, :, None] * column[:, None] / row.mean(1)[:, None, None]
        update = g / np.sqrt(second)
        update /= max(1.0, np.sqrt((update**2).mean()))
        momentum = B1 * momentum + (1 - B1) * update
        expected = (flat(params)[path] if t == 1 else expected) - RATE * momentum / (1 - B1**t)
    np.testing.assert_allclose(flat(result)[path], expected, rtol=1e-4, atol=1e-6)
    seconds = [leaf.size for leaf in jax.tree.leaves(optax.tree_utils.tree_get(state, "v_row"))]
    assert sorted(seconds) == [1, 1, 2 * 128]


def test_muon_orthogonalises_the_matrices_of_blocks_and_leaves_the_rest_to_adam() -> None:
    params, gradients = blocks(0), [blocks(1)]
    result, _ = run_steps(plain("muon"), gradients, params)
    moved = jax.tree.map(lambda new, old: np.asarray(old - new) / RATE, result, params)
    kernel = flat(moved)["model/text/blocks/mlp/up/kernel"] / (0.2 * np.sqrt(256))
    # Five iterations bring singular values near 1, not to it.
    assert all(0.6 < value < 1.3 for matrix in kernel for value in np.linalg.svd(matrix, compute_uv=False))
    adam, _ = run_steps(plain("adamw"), gradients, params)
    for path in ("model/text/blocks/mlp/up/bias", "model/text/embedding/embedding"):
        np.testing.assert_allclose(flat(result)[path], flat(adam)[path], rtol=1e-6)


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_is_pytorchs_in_numpy(nesterov: bool) -> None:
    params, gradients = blocks(0), [blocks(seed) for seed in (1, 2, 3)]
    result, _ = run_steps(plain("sgd", nesterov=nesterov), gradients, params)
    expected, velocity = flat(params), dict.fromkeys(flat(params), 0.0)
    for gradient in map(flat, gradients):
        for path, g in gradient.items():
            velocity[path] = B1 * velocity[path] + g
            expected[path] = expected[path] - RATE * (g + B1 * velocity[path] if nesterov else velocity[path])
    assert_same(result, expected)


def test_sgd_without_momentum_is_the_gradient_and_keeps_no_state() -> None:
    params, gradient = blocks(0), blocks(1)
    result, state = run_steps(plain("sgd", b1=0.0), [gradient], params)
    assert_same(result, {path: value - RATE * flat(gradient)[path] for path, value in flat(params).items()})
    assert not [leaf for leaf in jax.tree.leaves(state) if leaf.dtype == jnp.float32]


def test_lamb_is_optax_for_every_layer_of_a_stack_by_itself() -> None:
    params, gradients = blocks(0), [blocks(1), blocks(2)]
    result, _ = run_steps(config_with(name="lamb", clip_norm=0.0, weight_decay_rules=""), gradients, params)

    def layers(tree: Any) -> dict[str, Any]:
        stack = tree["model"]["text"]["blocks"]
        apart = {str(layer): jax.tree.map(operator.itemgetter(layer), stack) for layer in range(2)}
        return {**apart, "embedding": tree["model"]["text"]["embedding"]}

    optimizer, expected = optax.lamb(RATE, B1, B2, eps=EPS, weight_decay=DECAY), layers(params)
    state = optimizer.init(expected)
    for gradient in gradients:
        updates, state = optimizer.update(layers(gradient), state, expected)
        expected = optax.apply_updates(expected, updates)
    assert_same(layers(result), flat(expected))
    alone = config_with(name="lamb", learning_rate_rules="embedding = 1; .* = 0", weight_decay_rules="")
    assert (
        flat(run_steps(alone, gradients, params)[0])["model/text/embedding/embedding"]
        != flat(params)["model/text/embedding/embedding"]
    ).all()


@pytest.mark.parametrize("name", ["adamw", "adafactor", "muon", "lamb", "sgd"])
def test_a_momentum_in_bfloat16_takes_nearly_the_same_steps(name: str) -> None:
    params, gradients = blocks(0), [blocks(seed) for seed in (1, 2, 3)]
    result, state = run_steps(plain(name, momentum_dtype="bfloat16"), gradients, params)
    expected, _ = run_steps(plain(name), gradients, params)
    halves = [leaf.size for leaf in jax.tree.leaves(state) if leaf.dtype == jnp.bfloat16]
    assert sum(halves) == sum(leaf.size for leaf in jax.tree.leaves(params))
    for path, value in flat(result).items():
        np.testing.assert_allclose(value, flat(expected)[path], atol=0.05 * RATE, err_msg=path)


@pytest.mark.parametrize("name", ["adafactor", "muon", "lamb"])
def test_states_are_split_like_parameters_and_steps_stay_the_same(name: str) -> None:
    params, gradients = blocks(0), [blocks(1), blocks(2)]
    expected, whole = run_steps(plain(name), gradients, params)
    mesh = jax.make_mesh((2, 2, 2), ("data", "fsdp", "model"), (AxisType.Auto,) * 3)
    place = lambda tree: jax.device_put(tree, state_shardings(tree, mesh))  # noqa: E731
    result, state = run_steps(plain(name), [place(tree) for tree in gradients], place(params))
    for path, value in flat(result).items():
        np.testing.assert_allclose(value, flat(expected)[path], rtol=1e-5, atol=1e-6, err_msg=path)
    assert jax.tree.structure(state) == jax.tree.structure(whole)
    shardings = jax.tree.leaves(state_shardings(state, mesh))
    held = [s.shard_shape(leaf.shape) for s, leaf in zip(shardings, jax.tree.leaves(state), strict=True)]
    assert (2, 64, 128) in held and (2, 128, 256) not in held


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"learning_rate_rules": "^txt/ = 0"},
            "learning_rate_rules.*'\\^txt/ = 0' matches no.*text/blocks/0/kernel",
        ),
        ({"weight_decay_rules": "embedding = 0"}, "weight_decay_rules.*matches no parameter"),
        ({"learning_rate_rules": "text = -1"}, ">= 0, not -1"),
        ({"learning_rate_rules": "text = 1 until soon"}, "after 'until' must be a whole number, not soon"),
        ({"name": "lion"}, "name='lion'.*adamw"),
        ({"clip_norm": -1.0}, "clip_norm=-1.0"),
        ({"learning_rate": float("inf")}, "learning_rate=inf must be finite"),
        ({"learning_rate_rules": "text = inf"}, ">= 0, not inf"),
        ({"b1": -0.1}, "b1=-0.1"),
        ({"b2": 1.0}, "b2=1.0"),
    ],
)
def test_mistakes_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_optimizer(config_with(**fields), 10, random_tree(0))


def test_limits_that_belong_to_a_range_are_accepted() -> None:
    params = random_tree(0)
    make_optimizer(
        config_with(b1=0.0, b2=0.0, learning_rate=0.0, weight_decay=0.0, clip_norm=0.0), 10, params
    )
