"""Set labels: the order within a set says nothing, the most frequent label counts, the losses in numpy."""

from __future__ import annotations

import runpy
from collections import Counter
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from vlp.models.compute import Compute
from vlp.models.set_pooling import SetPool
from vlp.pretrainer import Pretrainer

CASE = runpy.run_path(str(Path(__file__).parent / "cases" / "set_labels.py"))


def built(config, **settings):
    config.objectives.contrastive.weight = 0.0
    config.objectives.set_labels.update(weight=1.0, **{**CASE["SETTINGS"], **settings})
    config.model.image.patch_dropout = 0.0
    return Pretrainer(config, vocabulary_size=50, compute=Compute(), context=CASE["CONTEXT"])


@pytest.mark.parametrize("kind", ["mean", "attention"])
def test_the_order_within_a_set_says_nothing_and_its_members_do(kind):
    pool = SetPool(kind, 4, 6, compute=Compute(), rngs=nnx.Rngs(0))
    rows = np.random.default_rng(0).normal(size=(3, 5, 4)).astype(np.float32)
    whole = np.asarray(pool(jnp.asarray(rows)))
    assert whole.shape == (3, 6)
    np.testing.assert_allclose(pool(jnp.asarray(rows[:, [3, 1, 4, 0, 2]])), whole, rtol=1e-5, atol=1e-6)
    rows[0, 0] += 1
    assert np.abs(np.asarray(pool(jnp.asarray(rows)))[0] - whole[0]).max() > 1e-3


def test_the_most_frequent_label_is_the_sets(config):
    objective = built(config, each=4).objectives["set_labels"]
    labels = np.random.default_rng(1).integers(-1, 3, 400)
    labels[:4] = -1
    found = np.asarray(objective.set_labels(jnp.asarray(labels)))
    for own, label in zip(labels.reshape(-1, 4), found, strict=True):
        counts = Counter(own[own >= 0].tolist())
        assert label == (min(counts, key=lambda one: (-counts[one], one)) if counts else -1)


@pytest.mark.parametrize("loss", ["classes", "contrast"])
def test_the_loss_is_cross_entropy_of_the_sets_that_have_a_label(config, batch, loss):
    pretrainer = built(config, loss=loss, temperature=0.5)
    objective = pretrainer.objectives["set_labels"]
    labels = np.array([0, 0, -1, -1, 0, 0, 2, 2])
    encodings = pretrainer.encodings(
        {"image": batch["image"], "classes_ids": jnp.asarray(labels)[:, None]}, key=None, step=jnp.int32(0)
    )
    output = objective(encodings)
    rows = objective.pool(encodings.image_tower().pooled.reshape(4, 2, -1))
    if loss == "classes":
        scores = np.asarray(objective.classifier(rows), np.float64)[[0, 2, 3]]
        expected = np.log(np.exp(scores).sum(1)) - scores[range(3), [0, 0, 2]]
    else:
        rows = np.asarray(rows, np.float64)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        scores = rows @ rows.T / 0.5
        expected = [np.log(np.exp(scores[0, [2, 3]]).sum()) - scores[0, 2]]
        expected += [np.log(np.exp(scores[2, [0, 3]]).sum()) - scores[2, 0]]
    assert float(output.loss.mean()) == pytest.approx(np.mean(expected), rel=1e-4)
