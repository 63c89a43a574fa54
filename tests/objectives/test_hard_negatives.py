"""Foils as columns: the loss in numpy, and what is no foil takes no part."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from configs.settings.kinds import entries
from vlp.models.compute import Compute
from vlp.objectives.hard_negatives import HardNegatives
from vlp.objectives.scorers import Scores
from vlp.pretrainer import Pretrainer


def objective(**settings):
    from ml_collections import ConfigDict

    return HardNegatives(
        ConfigDict({**entries("objectives")["hard_negatives"], **settings}), model=None, rngs=None
    )


@pytest.mark.parametrize("columns", ["own", "all"])
def test_the_loss_is_cross_entropy_with_foils_among_the_columns(columns):
    dice = np.random.default_rng(0)
    rows = dice.normal(size=(5, 4, 6))
    rows /= np.linalg.norm(rows, axis=2, keepdims=True)
    images, texts, foils = rows[:, 0], rows[:, 1], rows[:, 2:]
    there = dice.random((5, 2)) < 0.6
    scores = Scores(jnp.asarray(images), jnp.asarray(texts), jnp.float32(7.0), jnp.float32(0.0))
    ids = jnp.array([0, 1, 2, 1, 3])
    loss, metrics = objective(columns=columns, direction=0.7).compare(
        scores, jnp.asarray(foils), jnp.asarray(there), ids
    )
    cosines = 7.0 * images @ texts.T
    same = np.asarray(ids)[:, None] == np.asarray(ids)

    def crossed(logits, right):
        shares = np.exp(logits) / np.exp(logits).sum()
        return -np.log(shares[right]).mean()

    found = []
    for row, image in enumerate(images):
        own = foils[row][there[row]] if columns == "own" else foils[there]
        logits = np.concatenate([cosines[row], 7.0 * own @ image])
        right = np.concatenate([same[row], np.zeros(len(own), bool)])
        found.append(0.7 * crossed(logits, right) + 0.3 * crossed(cosines[:, row], same[:, row]))
    assert float(loss.mean()) == pytest.approx(np.mean(found), rel=1e-5)
    pairs = (images * texts).sum(axis=1)
    told = np.einsum("id,ikd->ik", images, foils) < pairs[:, None]
    assert float(metrics["foils_told"]) == pytest.approx(told[there].mean())


def test_a_foil_that_is_the_text_itself_takes_no_part(config, batch):
    config.objectives.contrastive.weight = 0.0
    config.objectives.hard_negatives.weight = 1.0
    config.model.image.patch_dropout = 0.0
    pretrainer = Pretrainer(config, vocabulary_size=50, compute=Compute())
    foils = jnp.stack([batch["text"], batch["text"]], axis=1)
    mask = jnp.stack([batch["text_mask"]] * 2, axis=1)
    encodings = pretrainer.encodings(
        {**batch, "foils": foils, "foils_mask": mask}, key=None, step=jnp.int32(0)
    )
    output = pretrainer.objectives["hard_negatives"](encodings)
    assert float(output.metrics["foils"]) == 0.0
    scores = np.asarray(encodings.logit_scale() * encodings.image() @ encodings.text().T, np.float64)

    def crossed(logits):
        return (np.log(np.exp(logits).sum(axis=1)) - np.diagonal(logits)).mean()

    assert float(output.loss.mean()) == pytest.approx((crossed(scores) + crossed(scores.T)) / 2, rel=1e-5)
