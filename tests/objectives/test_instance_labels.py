"""INS: running means one row at a time, and no image of a negative bag that is ever held for positive."""

from __future__ import annotations

import runpy
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
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
