"""Adapters leave a model as it is at first, are trained alone, cost what they say, and become part of the weights."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from configs import georsclip, quickstart
from input_pipeline.errors import UserError
from vlp.interop.adapted import with_adapters_merged
from vlp.interop.mapping import flattened, nested
from vlp.models.compute import Compute
from vlp.models.dual_encoder import DualEncoder
from vlp.parallel.sharding import global_batch
from vlp.training.build import build_training
from vlp.training.state import divide
from vlp.training.switch import check_carried

LORA = "model/.*/(qkv|out)$ = lora 4; _projection$ = lora 2"
BOTH = "attention/(qkv|out)$ = lora 4; mlp/down$ = bottleneck 6; _projection$ = lora 2"
SIDE, LENGTH, ROWS, WIDTH, HIDDEN, EMBEDDING = 16, 6, 8, 32, 64, 24


def config_of(rules="", rates=""):
    config = quickstart.get_config("runlocal")
    tiny = {"size": "", "width": WIDTH, "depth": 2, "heads": 2, "mlp_dim": HIDDEN}
    config.model.image.update(tiny, resolution=SIDE, patch_size=8, patch_dropout=0.0)
    config.model.text.update(tiny)
    config.model.embed_dim, config.batch_size, config.tokenizer.length = EMBEDDING, ROWS, LENGTH
    config.model.adapters.rules = rules
    config.optimizer.update(learning_rate_rules=rates, ema_decay=0.9 if rates else 0.0)
    config.optimizer.schedule.update(name="constant", warmup_steps=0)
    return config


def encoder(rules="", model=None):
    config = (model or config_of(rules).model).copy_and_resolve_references()
    return DualEncoder(config, vocabulary_size=50, length=LENGTH, compute=Compute(), rngs=nnx.Rngs(0))


def batch():
    dice = np.random.default_rng(0)
    return {
        "image": dice.integers(0, 256, (ROWS, SIDE, SIDE, 3), dtype=np.uint8),
        "text": dice.integers(4, 50, (ROWS, LENGTH), dtype=np.int32),
        "text_mask": np.arange(LENGTH) < dice.integers(2, LENGTH, (ROWS, 1)),
    }


@jax.jit
def rows(model):
    fields = batch()
    pixels = jnp.asarray(fields["image"], jnp.float32) / 255
    return model.encode_pixels(pixels), model.encode_text(fields["text"], fields["text_mask"])


def leaves_of(model):
    return {path: np.asarray(leaf) for path, leaf in flattened(nnx.to_pure_dict(nnx.state(model))).items()}


def noisy(model):
    """The model with adapters that do something."""
    dice = np.random.default_rng(1)
    leaves = {
        path: leaf + 0.1 * dice.standard_normal(leaf.shape).astype(np.float32)
        if "/adapter/" in path
        else leaf
        for path, leaf in leaves_of(model).items()
    }
    nnx.update(model, nested(leaves))
    return model, leaves


def test_at_first_a_model_with_adapters_is_the_model_without():
    plain, adapted = encoder(), encoder(BOTH)
    for one, other in zip(rows(plain), rows(adapted), strict=True):
        np.testing.assert_array_equal(one, other)
    own = leaves_of(plain)
    assert {path for path in leaves_of(adapted) if "/adapter/" not in path} == set(own)


def test_low_ranks_are_part_of_the_weights_in_an_export_and_bottlenecks_are_refused():
    model, leaves = noisy(encoder(LORA))
    merged = with_adapters_merged(leaves, config_of(LORA).model)
    plain = encoder()
    assert set(merged) == set(leaves_of(plain))
    before = rows(plain)
    nnx.update(plain, nested(merged))
    for one, other, without in zip(rows(model), rows(plain), before, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-6)
        assert np.abs(one - without).max() > 1e-2
    with pytest.raises(
        UserError, match=r"no format has a place for the adapter of image/transformer/blocks/mlp/down"
    ):
        with_adapters_merged(leaves_of(encoder(BOTH)), config_of(BOTH).model)


@pytest.mark.parametrize("adapt", ["lora", "bottleneck", "bias"])
def test_what_is_trained_is_less_than_a_twentieth_of_clip(adapt):
    config = georsclip.get_config(f"adapt={adapt}")
    model = nnx.eval_shape(
        lambda: DualEncoder(
            config.model, vocabulary_size=49_408, length=77, compute=Compute(), rngs=nnx.Rngs(0)
        )
    )
    sizes = {path: leaf.size for path, leaf in flattened(nnx.to_pure_dict(nnx.state(model))).items()}
    trained = sum(
        size for path, size in sizes.items() if ("bias" if adapt == "bias" else "/adapter/") in path
    )
    assert 0 < trained < 0.05 * sum(sizes.values())


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (
            "atention/qkv = lora 8",
            "'atention/qkv = lora 8' matches no linear layer; nearest paths: model/",
        ),
        ("mlp/down$ = lora", "an adapter is one of lora, bottleneck and a rank from 1"),
        ("mlp/down$ = prefix 3", "an adapter is one of lora, bottleneck"),
        (
            "image_projection$ = lora 25",
            "'lora 25' is wider than the layer model/image_projection of 32 x 24",
        ),
    ],
)
def test_a_rule_that_means_nothing_is_refused(rules, said):
    with pytest.raises(UserError, match=r"model.adapters.rules") as error:
        encoder(rules)
    assert said in str(error.value) and "\n" not in str(error.value)


def trained(rules, rates, shape=(1, 1, 1)):
    """A training, its parameters before and after a step, and the state afterwards."""
    config = config_of(rules, rates)
    devices = jax.devices()[: int(np.prod(shape))]
    mesh = jax.make_mesh(shape, ("data", "fsdp", "model"), (jax.sharding.AxisType.Auto,) * 3, devices=devices)
    with jax.set_mesh(mesh):
        training = build_training(config, vocabulary_size=50, mesh=mesh)
        state = training.initial_state()
        before = jax.device_get(state.params)
        for _ in range(2):  # the first moves what is zero, which the rest has a gradient of
            state, _ = training.train_step(state, global_batch(batch(), mesh))
        return training, before, jax.device_get(state)


@pytest.fixture(scope="module")
def steps():
    return trained(BOTH, georsclip.ALONE)


def test_a_step_trains_adapters_alone_and_the_base_stays_to_the_byte(steps):
    training, before, state = steps
    own, base = divide(state.params, training.held)
    assert (
        all("/adapter/" in path for path in flattened(own))
        and flattened(own).keys() == flattened(state.ema).keys()
    )
    assert not any("/adapter/" in path for path in flattened(base))
    jax.tree.map(np.testing.assert_array_equal, base, divide(before, training.held)[1])
    moved = jax.tree.map(lambda one, other: (one != other).any(), own, divide(before, training.held)[0])
    assert all(jax.tree.leaves(moved))


def test_adapters_are_the_same_on_any_mesh(steps):
    _, _, state = trained(BOTH, georsclip.ALONE, shape=(2, 2, 2))
    for path, leaf in flattened(state.params).items():
        if "/adapter/" in path:
            np.testing.assert_allclose(leaf, flattened(steps[2].params)[path], atol=2e-5, err_msg=path)


def test_adapters_count_and_what_they_hold_has_no_gradients_of_weights(steps):
    training = steps[0]
    tokens = {"image": (SIDE // 8) ** 2, "text": LENGTH}
    attention = 4 * (WIDTH + 3 * WIDTH) + 4 * (WIDTH + WIDTH)
    block = 2 * (attention + 6 * (WIDTH + WIDTH))
    expected = sum(2 * count * block + 2 * 2 * (WIDTH + EMBEDDING) for count in tokens.values())
    assert training.other_flops == pytest.approx(expected)
    assert training.step_shares == {tower: pytest.approx(2 / 3) for tower in tokens}


def test_a_stage_carries_adapters_over():
    abstract = []
    for side in (16, 24):
        config = config_of(BOTH, georsclip.ALONE)
        config.model.image.resolution = side
        mesh = jax.make_mesh((1, 1, 1), ("data", "fsdp", "model"), (jax.sharding.AxisType.Auto,) * 3)
        with jax.set_mesh(mesh):
            abstract.append(build_training(config, vocabulary_size=50, mesh=mesh).abstract_state)
    check_carried(*abstract)


def test_a_part_of_a_fused_projection_is_adapted_alone():
    adapted, plain = encoder("attention/qkv$ = lora 2 qv"), encoder()
    layer = adapted.image.transformer.blocks.attention.qkv
    dice = np.random.default_rng(0)
    layer.adapter.up[...] = jnp.asarray(dice.normal(size=layer.adapter.up.shape), jnp.float32)
    one, base = (
        jax.tree.map(lambda leaf: leaf[0], x.image.transformer.blocks.attention.qkv) for x in (adapted, plain)
    )
    x = jnp.asarray(dice.normal(size=(3, WIDTH)), jnp.float32)
    moved = np.asarray(one(x) - base(x)).reshape(3, 2, 3, -1)  # heads, then queries, keys and values
    assert not moved[:, :, 1].any() and np.abs(moved[:, :, ::2]).min() > 0
    gradient = jax.grad(lambda up: (nnx_with_up(one, up)(x) ** 2).sum())(one.adapter.up[...])
    assert (
        not np.asarray(gradient).reshape(2, 2, 3, -1)[:, :, 1].any()
    )  # so that an export needs to know of no parts


def test_an_export_leaves_out_what_a_part_of_a_projection_does_not_add():
    """Such as what it was started from had learned of the keys."""
    rules = "text/.*attention/qkv$ = lora 2 qv"
    model, leaves = noisy(encoder(rules))
    plain = encoder()
    nnx.update(plain, nested(with_adapters_merged(leaves, config_of(rules).model)))
    np.testing.assert_allclose(rows(model)[1], rows(plain)[1], atol=2e-6)


def test_parts_of_heads_that_differ_are_refused():
    model = config_of("attention/qkv$ = lora 2 qv").model
    model.image.last_heads = 1
    with pytest.raises(UserError, match=r"last block of .* has other heads"):
        encoder(model=model)


def nnx_with_up(layer, up):
    graphdef, state = nnx.split(layer)
    state["adapter"]["up"] = state["adapter"]["up"].replace(up)
    return nnx.merge(graphdef, state)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("attention/out$ = lora 2 q", "attention/out is no projection to queries, keys and values"),
        ("attention/qkv$ = lora 2 qx", "'qx' are none of the parts"),
        ("attention/qkv$ = bottleneck 2 q", "'q' are none of the parts"),
    ],
)
def test_parts_that_are_none_are_refused(rule, message):
    with pytest.raises(UserError, match=message):
        encoder(rule)
