"""Discrimination among class centres: the kernels' mathematics through the model, sampling, and the split table."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vlp.models.compute import Compute
from vlp.pretrainer import Pretrainer


@pytest.fixture
def config(config):
    config.objectives.contrastive.weight = 0.0
    config.objectives.discrimination.update(weight=1.0, classes=24, scale=8.0, rate=1.0, chunk=3)
    config.model.image.patch_dropout = 0.0
    return config


@pytest.fixture
def batch(batch):
    labels = np.random.default_rng(1).permuted(np.tile(np.arange(24), (8, 1)), axis=1)[:, :4]
    labels[0, 2:] = -1
    return {"image": batch["image"], "cluster_ids": jnp.asarray(labels, jnp.int32)}


def run(config, batch):
    pretrainer = Pretrainer(config, vocabulary_size=50, compute=Compute())
    loss, metrics = pretrainer(batch, jax.random.key(0), jnp.int32(0))
    return pretrainer, float(loss), {name: float(value) for name, value in metrics.items()}


def cosines_and_targets(pretrainer, batch):
    pixels = (np.asarray(batch["image"], np.float32) / 255 - 0.5) / 0.5
    image = np.asarray(pretrainer.model.encode_pixels(pixels), np.float64)
    centres = np.asarray(pretrainer.objectives["discrimination"].class_centres[...], np.float64)
    cosines = image @ (centres / np.linalg.norm(centres, axis=1, keepdims=True)).T
    return cosines, (np.asarray(batch["cluster_ids"])[:, :, None] == np.arange(24)).any(axis=1)


def test_separated_sides_with_an_angular_margin(config, batch):
    pretrainer, loss, metrics = run(config, batch)
    cosines, targets = cosines_and_targets(pretrainer, batch)
    scores = 8.0 * np.where(targets, np.cos(np.arccos(cosines) + 0.3), cosines)
    positive = np.log1p((np.exp(-scores) * targets).sum(axis=1))
    negative = np.log1p((np.exp(scores) * ~targets).sum(axis=1))
    assert loss == pytest.approx((positive + negative).mean(), rel=1e-5)
    assert metrics["discrimination/positive_cosine"] == pytest.approx(cosines[targets].mean(), abs=1e-5)
    assert metrics["discrimination/negative_cosine"] == pytest.approx(cosines[~targets].mean(), abs=1e-5)
    hits = targets[np.arange(8), cosines.argmax(axis=1)]
    assert metrics["discrimination/accuracy"] == pytest.approx(hits.mean())
    assert metrics["discrimination/kept"] == 1.0


def test_margin_softmax_over_single_labels(config, batch):
    config.objectives.discrimination.update(kernel="softmax", margin_kind="cosine", margin=0.2)
    batch["cluster_ids"] = batch["cluster_ids"][:, 0]
    pretrainer, loss, _ = run(config, batch)
    cosines, _ = cosines_and_targets(pretrainer, {**batch, "cluster_ids": batch["cluster_ids"][:, None]})
    label = np.asarray(batch["cluster_ids"])
    scores = 8.0 * (cosines - 0.2 * (np.arange(24) == label[:, None]))
    expected = np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(8), label]
    assert loss == pytest.approx(expected.mean(), rel=1e-5)


def test_sampled_negatives_keep_every_positive_and_cost_nothing_elsewhere(config, batch):
    batch["cluster_ids"] = batch["cluster_ids"] % 6  # six classes have labels, all of which stay
    config.objectives.discrimination.update(rate=0.5, feature_rate=0.5)
    pretrainer, sampled, metrics = run(config, batch)
    assert metrics["discrimination/kept"] == 1.0
    config.objectives.discrimination.rate = 1.0
    assert sampled < run(config, batch)[1]  # fewer negatives, a smaller loss
    assert pretrainer.objectives["discrimination"].fields == ("image", "cluster_ids")
