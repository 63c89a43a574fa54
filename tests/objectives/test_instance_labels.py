"""INS: running means one row at a time, and no image of a negative bag that is ever held for positive."""

from __future__ import annotations

import runpy
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from vlp.models.compute import Compute
from vlp.objectives.instance_labels import moved_in_turn
from vlp.pretrainer import Pretrainer

CASE = runpy.run_path(str(Path(__file__).parent / "cases" / "instance_labels.py"))


def test_the_closed_form_is_the_loop_over_rows():
    dice = np.random.default_rng(0)
    means, rows, classes = dice.normal(size=(3, 4)), dice.normal(size=(9, 4)), dice.integers(0, 2, 9)
    moved = np.asarray(moved_in_turn(*map(jnp.asarray, (means, rows, classes)), 0.9))
    for row, label in zip(rows, classes, strict=True):
        means[label] = 0.9 * means[label] + 0.1 * row
    np.testing.assert_allclose(moved, means, rtol=1e-5)


def test_a_bag_is_told_by_the_mean_of_its_images(config):
    config.objectives.contrastive.weight = 0.0
    config.objectives.instance_labels.update(weight=1.0, **CASE["SETTINGS"])
    objective = Pretrainer(config, vocabulary_size=50, compute=Compute()).objectives["instance_labels"]
    assert "bag" in objective.fields and objective.limits["bag"] == ("bag_count", 5)
    dice, bags = np.random.default_rng(0), np.array([3, 0, 3, 1, 0, 3])
    layer = objective.bag_classifier
    rows = dice.normal(size=(6, layer.kernel[...].shape[0]))
    loss, accuracy = objective.tell_bags(layer, *map(jnp.asarray, (rows, bags, bags % 2 == 1)))
    means = np.stack([rows[bags == bag].mean(axis=0) for bag in (0, 1, 3)])
    scores = means @ np.asarray(layer.kernel[...]) + np.asarray(layer.bias[...])
    likely = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    assert float(loss.mean()) == pytest.approx(-likely[[0, 1, 2], [0, 1, 1]].mean(), rel=1e-4)
    assert float(accuracy) == pytest.approx((scores.argmax(axis=1) == [0, 1, 1]).mean())


def test_without_a_weight_of_bags_nothing_reads_their_numbers(config):
    config.objectives.contrastive.weight = 0.0
    config.objectives.instance_labels.update(weight=1.0, **CASE["SETTINGS"] | {"bag_weight": 0.0})
    objective = Pretrainer(config, vocabulary_size=50, compute=Compute()).objectives["instance_labels"]
    assert objective.bag_classifier is None and "bag" not in objective.fields


def test_no_image_of_a_negative_bag_is_ever_held_for_positive(config):
    config.objectives.contrastive.weight = 0.0
    config.objectives.instance_labels.update(weight=1.0, **CASE["SETTINGS"])
    objective = Pretrainer(config, vocabulary_size=50, compute=Compute()).objectives["instance_labels"]
    graphdef, state = nnx.split(objective)

    @jax.jit
    def step(state, logits, rows, places, warming):
        own = nnx.merge(graphdef, state, copy=True)
        own.learn(logits, rows, rows, places, places % 2 == 1, memory=0.5, warming=warming)
        return nnx.state(own)

    dice, seen = np.random.default_rng(0), set()
    for number in range(12):
        places = dice.permutation(20)[:8]
        rows = dice.normal(size=(8, 8))
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        given = (jnp.asarray(dice.normal((-4, 4), size=(8, 2))), jnp.asarray(rows), jnp.asarray(places))
        state = step(state, *given, number < 3)
        seen |= {*places.tolist()}
        table = np.asarray(state["confidence"][...])
        negative = [place for place in seen if place % 2 == 0]
        np.testing.assert_array_equal(table[negative], [[1.0, 0.0]] * len(negative))
        positive = table[[place for place in seen if place % 2]]
        assert (positive == 0.5).all() if number < 3 else (positive != 0.5).any()
        np.testing.assert_allclose(table.sum(axis=1), 1.0, rtol=1e-5)
