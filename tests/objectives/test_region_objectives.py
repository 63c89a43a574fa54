"""Properties that the methods on regions claim for themselves."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from ml_collections import ConfigDict

from vlp.models.compute import Compute
from vlp.models.label_rows import LabelRows
from vlp.models.sizes import TowerSize
from vlp.objectives.attribute_texts import AttributeTexts
from vlp.objectives.described_tags import mixed
from vlp.objectives.observers import RULES, sampled
from vlp.objectives.region_contrast import random_boxes, windowed
from vlp.objectives.region_words import spoken_of
from vlp.objectives.regions import classes_of_cells
from vlp.objectives.relations import directions, unions


def rows(*shape):
    values = np.random.default_rng(len(shape)).normal(size=shape)
    return jnp.asarray(values / np.linalg.norm(values, axis=-1, keepdims=True), jnp.float32)


def test_the_order_of_attributes_says_nothing():
    config = ConfigDict({"groups": (2,), "most": 3, "image_view": "image"})
    size = TowerSize(8, 1, 2, 16)
    model = AttributeTexts(size, config, embed_dim=4, compute=Compute(), rngs=nnx.Rngs(0))
    model.gamma[...] = jnp.ones(4)
    there = jnp.array([[1, 1, 1], [1, 1, 0]], bool)
    attributes, images = rows(2, 3, 4) * there[..., None], rows(2, 4)
    aggregated = jax.jit(lambda rows: model.aggregated(LabelRows(rows, there), images))
    plain = np.asarray(aggregated(attributes))
    turned = attributes.at[0].set(attributes[0, jnp.array([2, 0, 1])])
    np.testing.assert_allclose(np.asarray(aggregated(turned)), plain, rtol=1e-4, atol=1e-5)
    hidden = attributes.at[1, 2].set(7.0)  # what is not there
    mean = np.asarray(attributes.sum(axis=1))
    np.testing.assert_allclose(np.asarray(aggregated(hidden))[:, 0], plain[:, 0], rtol=1e-4, atol=1e-5)
    assert np.abs(plain[0] - mean / np.linalg.norm(mean, axis=1, keepdims=True)).max() > 0.01
    assert np.abs(plain[0] - plain[1]).max() > 1e-4  # the image has its say


def test_one_description_is_what_a_label_is():
    alone = LabelRows(rows(3, 1, 4), jnp.ones((3, 1), bool))
    found = mixed(rows(2, 4), alone, jnp.float32(2.0))
    np.testing.assert_allclose(found, np.broadcast_to(alone.rows[:, 0], (2, 3, 4)), rtol=1e-5)


def test_observers_who_agree_are_the_majority_and_any_of_them():
    dice, key = np.random.default_rng(0), jax.random.key(0)
    one = jnp.asarray(dice.integers(0, 2, (64, 5), dtype=np.int8))
    agreed = jnp.stack([one] * 3, axis=1)
    for rule in RULES:
        np.testing.assert_array_equal(sampled(agreed, rule, key), one)
    states = jnp.array([[[1, 1, -1], [1, 0, -1], [0, 0, 1]]], jnp.int8)
    np.testing.assert_array_equal(sampled(states, "majority", key), [[1, 0, 1]])
    many = jnp.asarray(dice.integers(-1, 2, (200, 3, 4), dtype=np.int8))
    drawn = np.asarray(sampled(many, "random", key))
    picks = [(drawn == np.asarray(many[:, at])).all(axis=1) for at in range(3)]
    assert np.any(picks, axis=0).all() and all(40 < pick.sum() < 120 for pick in picks)
    mixed_rows = np.asarray(sampled(many, "mixed", key))
    most = np.asarray(sampled(many, "majority", key))
    assert ((mixed_rows == most).all(1) | (mixed_rows == drawn).all(1)).all()
    assert not (mixed_rows == most).all() and not (mixed_rows == drawn).all()


def test_words_of_a_region_are_the_stretch_that_it_is_called():
    ids = jnp.array([[1, 8, 9, 5, 8, 7, 2, 0]])
    mask = ids > 0
    phrases = jnp.array([[[1, 8, 7, 2, 0, 0, 0, 0], [1, 9, 2, 0, 0, 0, 0, 0], [1, 2, 0, 0, 0, 0, 0, 0]]])
    found = np.asarray(spoken_of(ids, mask, phrases, phrases > 0))
    np.testing.assert_array_equal(found[0], [[0, 0, 0, 0, 1, 1, 0, 0], [0, 0, 1, 0, 0, 0, 0, 0], [0] * 8])


def test_cells_are_of_the_last_region_that_covers_them():
    boxes = jnp.array([[[0.0, 0.0, 1.0, 0.5], [0.5, 0.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]]])
    states = jnp.array([[[0, 1], [1, 0], [0, 1]]])
    np.testing.assert_array_equal(classes_of_cells(boxes, states, 4), [[1, 0, -1, 0]])
    unknown = states.at[0, 1].set(jnp.array([0, 0]))
    np.testing.assert_array_equal(classes_of_cells(boxes, unknown, 4), [[1, -1, -1, -1]])


def test_directions_go_round_and_back():
    middle, size = np.array([0.5, 0.5]), 0.1
    turns = np.arange(8) * np.pi / 4 + np.random.default_rng(0).uniform(-0.3, 0.3, 8)
    middles = middle + 0.3 * np.stack([np.cos(turns), np.sin(turns)], axis=1)
    boxes = np.concatenate([middles - size, middles + size], axis=1)
    own = np.array([[*(middle - size), *(middle + size)]] * 8)
    np.testing.assert_array_equal(directions(jnp.asarray(boxes), jnp.asarray(own)), np.arange(8))
    np.testing.assert_array_equal(directions(jnp.asarray(own), jnp.asarray(boxes)), (np.arange(8) + 4) % 8)
    whole = np.asarray(unions(jnp.asarray(boxes), jnp.asarray(own)))
    assert (whole[:, :2] <= boxes[:, :2] + 1e-6).all() and (whole[:, 2:] >= own[:, 2:] - 1e-6).all()


def test_random_boxes_lie_inside_and_windows_see_themselves_alone():
    boxes = np.asarray(random_boxes(jax.random.key(0), (50, 8), 0.1))
    assert (boxes >= 0).all() and (boxes <= 1 + 1e-6).all()
    areas = (boxes[..., 2:] - boxes[..., :2]).prod(axis=-1)
    assert areas.min() > 0.05 and areas.max() > 0.7

    class Tower:
        def __call__(self, pixels):
            means = pixels.reshape(len(pixels), 2, 4, 2, 4, 3).mean(axis=(2, 4))
            tokens = means.reshape(len(pixels), 4, 3) + pixels.mean(axis=(1, 2))[:, None]
            return ConfigDict({"tokens": tokens}, convert_dict=False)

    pixels = rows(2, 16, 16, 3)
    found = np.asarray(windowed(Tower(), pixels, 2))
    assert found.shape == (2, 4, 4, 3)
    part = np.asarray(pixels)[:, 8:, :8]
    expected = part[:, :4, 4:].mean(axis=(1, 2)) + part.mean(axis=(1, 2))
    np.testing.assert_allclose(found[:, 2, 1], expected, atol=1e-5)
