"""Images as words: the model is a teacher that learns nothing, and the loss is its similarities'."""

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

CASE = runpy.run_path(str(Path(__file__).parent / "cases" / "pseudo_words.py"))


@pytest.fixture
def pretrainer(config):
    config.objectives.contrastive.weight = 0.0
    config.objectives.pseudo_words.update(weight=1.0, **CASE["SETTINGS"])
    config.model.image.patch_dropout = 0.0
    return Pretrainer(config, vocabulary_size=50, compute=Compute(), context=CASE["CONTEXT"])


def test_only_the_small_tower_learns(pretrainer, batch):
    batch = {"image": batch["image"], **jax.tree.map(jnp.asarray, CASE["GIVEN"])}
    graphdef, params, rest = nnx.split(pretrainer, nnx.Param, ...)

    def loss(params):
        return nnx.merge(graphdef, params, rest, copy=True)(batch, jax.random.key(0), jnp.int32(0))[0]

    gradients = jax.jit(jax.grad(loss))(params)
    assert not any(np.asarray(leaf).any() for leaf in jax.tree.leaves(gradients["model"]["image"]))
    small = jax.tree.leaves(gradients["objectives"]["pseudo_words"]["composer"]["tower"])
    assert small and all(np.asarray(leaf).any() for leaf in small if leaf.ndim > 1)
    count = sum(leaf.size for leaf in small)
    assert count < sum(leaf.size for leaf in jax.tree.leaves(params["model"]["image"]))


def test_the_loss_is_cross_entropy_with_the_teacher_and_a_distance_from_it(pretrainer):
    objective = pretrainer.objectives["pseudo_words"]
    dice = np.random.default_rng(0)
    sentences, features, images = dice.normal(size=(3, 5, 4))
    sentences, images = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (sentences, images))
    objective.align_weight = 0.7
    loss, hits = objective.compare(*map(jnp.asarray, (sentences, features, images)))
    assert hits.tolist() == ((sentences @ images.T).argmax(1) == np.arange(5)).tolist()

    def shares(cosines):
        powers = np.exp(cosines / 0.07)
        return powers / powers.sum(axis=1, keepdims=True)

    crossed = -(shares(images @ images.T) * np.log(shares(sentences @ images.T))).sum(axis=1)
    cosines = (features * images).sum(axis=1) / np.linalg.norm(features, axis=1)
    assert float(loss.mean()) == pytest.approx((crossed + 0.7 * (1 - cosines)).mean(), rel=1e-5)
