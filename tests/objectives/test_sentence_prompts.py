"""Sentence prompts: what is asked is a change that is there, and the free prompts see no image."""

from __future__ import annotations

import runpy
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from vlp.models.compute import Compute
from vlp.objectives.changes import drawn_changes
from vlp.pretrainer import Pretrainer

CASE = runpy.run_path(str(Path(__file__).parent / "cases" / "sentence_prompts.py"))


def built(config, **settings):
    config.objectives.contrastive.weight = 0.0
    config.objectives.sentence_prompts.update(weight=1.0, **CASE["SETTINGS"])
    config.objectives.sentence_prompts.update(settings)
    config.model.image.patch_dropout = 0.0
    return Pretrainer(config, vocabulary_size=50, compute=Compute(), context=CASE["CONTEXT"])


def test_a_change_is_a_tag_that_the_second_image_has_alone():
    states = np.random.default_rng(0).integers(-1, 2, (64, 2, 5), dtype=np.int8)
    drawn = [drawn_changes(jnp.asarray(states), jax.random.key(seed)) for seed in range(20)]
    gained = (states[:, 0] == 0) & (states[:, 1] == 1)
    for tag, there in drawn:
        np.testing.assert_array_equal(there, gained.any(axis=1))
        assert gained[np.arange(64), np.asarray(tag)][np.asarray(there)].all()
    several = gained.sum(axis=1) > 1
    assert (np.ptp([np.asarray(tag)[several] for tag, _ in drawn], axis=0) > 0).mean() > 0.9


def test_free_prompts_see_no_image_and_learn_by_their_own_contrast_alone(config):
    pretrainer = built(config)
    graphdef, params, rest = nnx.split(pretrainer, nnx.Param, ...)
    batch = {name: jnp.asarray(rows) for name, rows in CASE["fields"](np.random.default_rng(2), 8).items()}
    batch |= jax.tree.map(jnp.asarray, CASE["GIVEN"])

    @jax.jit
    def gradients(weight):
        def loss(params):
            own = nnx.merge(graphdef, params, rest, copy=True)
            own.objectives["sentence_prompts"].weights = (weight, 0.4)
            return own(batch, jax.random.key(0), jnp.int32(0))[0]

        own = jax.grad(loss)(params)["objectives"]["sentence_prompts"]
        return own["free"][...], own["composer"]["prompts"]["kernel"][...]

    (without, plain), (with_it, same) = (gradients(jnp.float32(weight)) for weight in (0.0, 3.0))
    assert not np.asarray(without).any() and np.asarray(with_it).any()
    assert np.asarray(plain).any()
    np.testing.assert_allclose(same, plain, rtol=1e-4, atol=1e-6 * np.abs(plain).max())


def test_pairs_that_differ_in_nothing_weigh_nothing(config):
    pretrainer = built(config)
    fields = CASE["fields"](np.random.default_rng(2), 8)
    fields["changes"][:] = 1
    batch = {name: jnp.asarray(rows) for name, rows in fields.items()} | jax.tree.map(
        jnp.asarray, CASE["GIVEN"]
    )
    graphdef, state = nnx.split(pretrainer)

    @jax.jit
    def seen(state, batch):
        return nnx.merge(graphdef, state, copy=True)(batch, jax.random.key(0), jnp.int32(0))

    loss, metrics = seen(state, batch)
    assert float(loss) == 0.0 and float(metrics["sentence_prompts/asked"]) == 0.0


def test_changes_and_texts_of_other_numbers_are_refused(config):
    with pytest.raises(ValueError, match=r"data.texts.changes has 3 labels and data.labels.more has 4"):
        built(config, labels="more")
