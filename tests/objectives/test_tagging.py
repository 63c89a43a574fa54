"""Tagging: the loss in numpy, silence about what nobody knows, and a scorer that outlives training."""

from __future__ import annotations

import runpy
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from vlp.models.compute import Compute
from vlp.pretrainer import Pretrainer
from vlp.training.state import parameter_bounds

CASE = runpy.run_path(str(Path(__file__).parent / "cases" / "tagging.py"))


def build(config, **settings):
    config.objectives.contrastive.weight = 0.0
    config.objectives.tagging.update(weight=1.0, **settings)
    config.model.image.patch_dropout = 0.0
    return Pretrainer(config, vocabulary_size=50, compute=Compute(), context=CASE["CONTEXT"])


def scored(pretrainer, batch, states):
    batch = {**batch, **jax.tree.map(jnp.asarray, CASE["GIVEN"]), "tags": jnp.asarray(states)}
    encodings = pretrainer.encodings(batch, key=jax.random.key(0), step=jnp.int32(0))
    return encodings, pretrainer.objectives["tagging"](encodings)


def test_the_loss_is_binary_cross_entropy_of_what_is_known(config, batch):
    pretrainer = build(config, kernel="sigmoid", scale=7.0, bias=-1.0)
    states = CASE["fields"](np.random.default_rng(5), 8)["tags"]
    encodings, output = scored(pretrainer, batch, states)
    rows = np.asarray(encodings.texts("tags"), np.float64)
    labels = np.stack([rows[[0, 1]].mean(0), rows[2], rows[[3, 4]].mean(0)])
    labels /= np.linalg.norm(labels, axis=1, keepdims=True)
    scores = 7.0 * np.asarray(encodings.image(), np.float64) @ labels.T - 1.0
    cells = np.where(states > 0, np.logaddexp(0, -scores), np.logaddexp(0, scores)) * (states >= 0)
    assert float(output.loss.mean()) == pytest.approx(cells.sum() / (states >= 0).any(1).sum(), rel=1e-5)
    assert float(output.metrics["known"]) == pytest.approx((states >= 0).mean())
    found = ((scores > 0) & (states > 0)).sum() / (states > 0).sum()
    assert float(output.metrics["found"]) == pytest.approx(found)
    answered = ((scores > 0) & (states >= 0)).mean()
    assert float(output.metrics["answered_yes"]) == pytest.approx(answered)
    for path, limits in parameter_bounds(pretrainer).items():
        if "log_scale" in path:
            assert limits == (-np.inf, pytest.approx(np.log(100.0)))
    assert any("log_scale" in path for path in parameter_bounds(pretrainer))
    for state, found in ((1, 1.0), (0, 0.0)):  # one yes that is found, and none at all
        alone = np.full((8, 3), -1, np.int8)
        alone[np.unravel_index(scores.argmax(), scores.shape)] = state
        assert float(scored(pretrainer, batch, alone)[1].metrics["found"]) == found


def test_what_nobody_knows_changes_nothing(config, batch):
    pretrainer = build(config)
    graphdef, params = nnx.split(pretrainer)

    @jax.jit
    def gradients(states):
        def loss(params):
            return scored(nnx.merge(graphdef, params, copy=True), batch, states)[1].loss.mean()

        return jax.grad(loss)(params)

    none = jax.tree.leaves(gradients(np.full((8, 3), -1, np.int8)))
    assert all(not np.asarray(leaf).any() for leaf in none)
    one = np.full((8, 3), -1, np.int8)
    one[2, 1] = 1
    assert any(np.asarray(leaf).any() for leaf in jax.tree.leaves(gradients(one)))


def test_images_are_those_of_the_view_that_is_asked_for(config, batch):
    pretrainer = build(config, image_view="strong")
    assert pretrainer.objectives["tagging"].fields == ("strong", "tags")
    states = np.ones((8, 3), np.int8)
    losses = [
        float(scored(pretrainer, {"image": batch["image"][::-1], "strong": images}, states)[1].loss.mean())
        for images in (batch["image"], batch["image"][:1].repeat(8, axis=0))
    ]
    assert losses[0] != losses[1]


def test_labels_and_texts_of_other_numbers_are_refused(config):
    with pytest.raises(ValueError, match=r"data.texts.tags has 3 labels and data.labels.more has 4"):
        build(config, labels="more")
    with pytest.raises(ValueError, match=r"needs data.texts.other, and there is tags: add it"):
        build(config, texts="other")
