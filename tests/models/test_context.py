"""Learned contexts and prompts: words spelled in vectors, where they stand, and whose they are."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from ml_collections import ConfigDict
from test_adapters import batch, config_of

from configs.settings.model import IMAGE, TEXT
from configs.settings.setting import defaults
from vlp.interop.mapping import flattened
from vlp.models.compute import Compute
from vlp.models.context import unknown_text
from vlp.models.text import TextTransformer
from vlp.models.vision import VisionTransformer
from vlp.parallel.sharding import global_batch
from vlp.training.build import build_training

TINY = {"size": "", "width": 16, "depth": 2, "heads": 2, "mlp_dim": 32}
# [begin] name [full stop] [end], of one and two words.
NAMES = jnp.asarray([[1, 20, 5, 2] + [0] * 6, [1, 21, 22, 5, 2] + [0] * 5])
LENGTHS = jnp.asarray([4, 5])
WORDS = (30, 31, 32, 33)
SPELLED = {
    "end": [[1, *WORDS, 20, 5, 2, 0, 0], [1, *WORDS, 21, 22, 5, 2, 0]],
    "middle": [[1, 30, 31, 20, 32, 33, 5, 2, 0, 0], [1, 30, 31, 21, 22, 32, 33, 5, 2, 0]],
    "front": [[1, 20, *WORDS, 5, 2, 0, 0], [1, 21, 22, *WORDS, 5, 2, 0]],
}


def tower(**changes):
    config = ConfigDict({**defaults(TEXT), **TINY, **changes})
    return TextTransformer(
        config, vocabulary_size=40, length=10, compute=Compute(unroll=True), rngs=nnx.Rngs(0)
    )


def encoded(text, ids, lengths):
    return text(jnp.asarray(ids), jnp.arange(10) < jnp.asarray(lengths)[:, None]).pooled


@pytest.mark.parametrize("place", list(SPELLED))
@pytest.mark.parametrize("settings", [{"causal": True, "pool": "end"}, {"causal": False, "pool": "mean"}])
def test_a_context_that_spells_a_prompt_is_that_prompt(place, settings):
    plain, learned = tower(**settings), tower(**settings, context=4, context_place=place)
    learned.context.embedding[...] = learned.embedding.embedding[...][jnp.asarray(WORDS)]
    expected = encoded(plain, SPELLED[place], LENGTHS + 4)
    np.testing.assert_allclose(encoded(learned, NAMES, LENGTHS), expected, atol=1e-5)


@pytest.mark.parametrize("place", list(SPELLED))
def test_outputs_are_where_the_tokens_are_that_they_are_of(place):
    plain, learned = tower(), tower(context=4, context_place=place)
    learned.context.embedding[...] = learned.embedding.embedding[...][jnp.asarray(WORDS)]
    spelled = np.asarray(SPELLED[place])
    expected = plain(jnp.asarray(spelled), jnp.arange(10) < (LENGTHS + 4)[:, None]).tokens
    found = learned(NAMES, jnp.arange(10) < LENGTHS[:, None]).tokens
    for row, length in enumerate(LENGTHS):
        own = ~np.isin(spelled[row], WORDS) & (np.arange(10) < length + 4)
        np.testing.assert_allclose(found[row, :length], expected[row][own], atol=1e-5)


def test_what_does_not_fit_is_cut_off_the_words():
    long = np.array([[1, *range(20, 27), 5, 2]])
    learned = tower(context=4)
    learned.context.embedding[...] = learned.embedding.embedding[...][jnp.asarray(WORDS)]
    expected = encoded(tower(), [[1, *WORDS, 20, 21, 22, 5, 2]], [10])
    np.testing.assert_allclose(encoded(learned, long, [10]), expected, atol=1e-5)
    tokens = learned(jnp.asarray(long), jnp.ones((1, 10), bool)).tokens[0]
    np.testing.assert_allclose(tokens[4:8], np.tile(tokens[3], (4, 1)))  # words that are not there any more
    np.testing.assert_allclose(tokens[-1:], expected, atol=1e-5)
    with pytest.raises(ValueError, match=r"model.text.context=8 leaves no room for a name: .* at least 12"):
        tower(context=8)


def test_classes_have_contexts_of_their_own_and_other_texts_are_found():
    learned = tower(context=2, context_classes=2, context_texts="classes")
    learned.context.names[...] = NAMES

    graphdef, state = nnx.split(learned)

    def first(context):
        own = nnx.merge(graphdef, state, copy=True)
        own.context.embedding.set_value(context)
        return encoded(own, NAMES, LENGTHS)[0].sum()

    slopes = np.abs(jax.grad(first)(learned.context.embedding[...])).max((1, 2))
    assert slopes[0] > 0 and slopes[1] == 0
    variables = {"text": {"context": {"names": learned.context.names[...]}}}
    assert unknown_text(variables, np.asarray(NAMES)) == -1
    assert unknown_text(variables, np.asarray([NAMES[0], NAMES[1] + 1])) == 1
    assert unknown_text({"text": {}}, np.asarray(NAMES)) == -1


@pytest.mark.parametrize("pool", ["class", "mean"])
def test_prompts_of_a_tower_are_those_given_by_hand_and_are_seen_by_patches(pool):
    config = ConfigDict({**defaults(IMAGE), **TINY, "patch_size": 4, "resolution": 16, "pool": pool})
    own = ConfigDict({**config, "prompts": 3, "prompt_layers": 1})
    plain, prompted = (
        VisionTransformer(one, compute=Compute(unroll=True), rngs=nnx.Rngs(0)) for one in (config, own)
    )
    pixels = jnp.asarray(np.random.default_rng(0).normal(size=(2, 16, 16, 3)), jnp.float32)
    values = prompted.prompts[...]
    assert values.shape == (1, 3, 16)
    np.testing.assert_allclose(prompted(pixels).pooled, plain(pixels, prompts=values).pooled, atol=1e-6)
    assert prompted.patches(pixels).shape == plain.patches(pixels).shape
    assert np.abs(np.asarray(prompted.patches(pixels) - plain.patches(pixels))).max() > 1e-4


def test_prompts_and_a_context_learn_the_same_on_any_mesh_and_nothing_else_moves():
    config = config_of(rates="^model/image/prompts$ = 1; ^model/text/context/ = 1; .* = 0")
    config.model.text.update(context=2)
    config.model.image.update(prompts=2)
    outcomes = []
    for shape in ((1, 1, 1), (2, 2, 2)):
        devices = jax.devices()[: int(np.prod(shape))]
        auto = (jax.sharding.AxisType.Auto,) * 3
        mesh = jax.make_mesh(shape, ("data", "fsdp", "model"), auto, devices=devices)
        with jax.set_mesh(mesh):
            training = build_training(config, vocabulary_size=50, mesh=mesh)
            state = training.initial_state()
            before = flattened(jax.device_get(state.params))
            state, _ = training.train_step(state, global_batch(batch(), mesh))
        outcomes.append((before, flattened(jax.device_get(state.params))))
    learned = {"model/image/prompts", "model/text/context/embedding"}
    (before, one), (_, eight) = outcomes
    for path, leaf in one.items():
        np.testing.assert_allclose(eight[path], leaf, atol=2e-5, err_msg=path)
        assert (leaf != before[path]).any() == (path in learned), path
