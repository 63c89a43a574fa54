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
    spread = np.asarray(pretrainer.objectives["discrimination"].class_centres[...]).std()
    assert spread == pytest.approx(0.01, rel=0.2)  # how far a step turns a centre depends on its length


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
    batch["cluster_ids"] = (
        batch["cluster_ids"][:, :1] % 6
    )  # at most six of 24 classes have labels; twelve stay
    config.objectives.discrimination.update(rate=0.5, feature_rate=0.5)
    pretrainer, sampled, metrics = run(config, batch)
    assert metrics["discrimination/kept"] == 1.0
    config.objectives.discrimination.rate = 1.0
    assert sampled < run(config, batch)[1]  # fewer negatives, a smaller loss
    assert pretrainer.objectives["discrimination"].fields == ("image", "cluster_ids")


def loss_of(config, batch, **settings):
    config.objectives.discrimination.update(settings)
    pretrainer, loss, _ = run(config, batch)
    return loss, *cosines_and_targets(pretrainer, batch)


def per_row(cosines, targets, row_loss, scale=8.0):
    rows = zip(scale * cosines, targets, strict=True)
    return np.mean([row_loss(row[positive], row[~positive]) for row, positive in rows])


def test_every_kernel_is_a_flag_away(config, batch):
    loss, cosines, targets = loss_of(config, batch, kernel="joint", margin_kind="cosine", margin=0.0)
    pairs = lambda p, n: np.log1p(np.exp(n[None] - p[:, None]).sum())  # noqa: E731
    assert loss == pytest.approx(per_row(cosines, targets, pairs), rel=1e-5)
    loss, *_ = loss_of(config, batch, kernel="sigmoid")
    cells = lambda p, n: np.log1p(np.exp(-p)).sum() + np.log1p(np.exp(n)).sum()  # noqa: E731
    assert loss == pytest.approx(per_row(cosines, targets, cells), rel=1e-5)
    loss, *_ = loss_of(config, batch, kernel="softmax_in")
    together = lambda p, n: np.log(np.exp(np.r_[p, n]).sum()) - np.log(np.exp(p).sum())  # noqa: E731
    assert loss == pytest.approx(per_row(cosines, targets, together), rel=1e-5)
    loss, *_ = loss_of(config, batch, kernel="softmax", label_smoothing=0.24)
    smoothed = lambda p, n: (  # noqa: E731
        np.log(np.exp(np.r_[p, n]).sum()) - 0.76 * p.mean() - 0.24 * np.r_[p, n].mean()
    )
    assert loss == pytest.approx(per_row(cosines, targets, smoothed), rel=1e-5)


def test_margins_are_flags_and_similar_negatives_can_be_dropped(config, batch):
    loss, cosines, targets = loss_of(config, batch, kernel="joint", margin_kind="circle", margin=0.25)
    weights = np.maximum(np.where(targets, 1.25 - cosines, cosines + 0.25), 0)
    circled = weights * (cosines - np.where(targets, 0.75, 0.25))
    pairs = lambda p, n: np.log1p(np.exp(n[None] - p[:, None]).sum())  # noqa: E731
    assert loss == pytest.approx(per_row(circled, targets, pairs), rel=1e-5)
    limit = float(np.sort(cosines[~targets])[-10] - 1e-4)
    loss, *_ = loss_of(config, batch, margin_kind="cosine", margin=0.0, drop_above=limit)
    dropped = np.where(~targets & (cosines > limit), 0.0, cosines)
    assert (dropped != cosines).sum() == 10
    assert loss == pytest.approx(per_row(dropped, targets, pairs), rel=1e-5)


@pytest.mark.parametrize("kind", ["angle", "angle_straight_through"])
def test_an_angular_margin_has_the_same_value_with_either_gradient(config, batch, kind):
    loss, cosines, targets = loss_of(config, batch, margin_kind=kind, margin=0.3)
    moved = np.where(targets, np.cos(np.arccos(cosines) + 0.3), cosines)
    sides = lambda p, n: np.log1p(np.exp(-p).sum()) + np.log1p(np.exp(n).sum())  # noqa: E731
    assert loss == pytest.approx(per_row(moved, targets, sides), rel=1e-5)
