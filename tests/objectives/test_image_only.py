"""What methods on images alone look at: second views, what is spoilt, pieces of the same image, mixtures of two."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from vlp.models.compute import Compute
from vlp.models.vision import TowerOutput
from vlp.pretrainer import Pretrainer

DICE = np.random.default_rng(0)
PAIRS = jnp.asarray(DICE.integers(0, 256, (8, 2, 16, 16, 3), dtype=np.uint8))


@pytest.fixture
def asked(config, batch):
    """An objective with these settings, and encodings of eight pairs of views."""
    config.model.image.patch_dropout = 0.0

    def build(name, views=PAIRS, **settings):
        config.objectives.contrastive.weight = 0.0
        config.objectives[name].update(weight=1.0, **settings)
        pretrainer = Pretrainer(config, vocabulary_size=50, compute=Compute())
        given = {**batch, "strong": views, "pair": views}
        encodings = pretrainer.encodings(given, key=jax.random.key(3), step=jnp.int32(0))
        return pretrainer.objectives[name], encodings

    return build


DECODER = {"width": 16, "depth": 1, "heads": 2, "mlp_dim": 32}


def test_completion_looks_at_the_second_view(asked):
    objective, encodings = asked("cross_view", share=0.75, **DECODER)
    output = objective(encodings)
    loss, where = float(output.loss.mean()), np.asarray(objective.hidden(encodings, (8, 16)))
    assert (where.sum(axis=1) == 12).all() and float(output.loss.weight) == 8 * 12
    swapped = PAIRS.at[:, 1].set(jnp.roll(PAIRS[:, 1], 1, axis=0))
    other, encodings = asked("cross_view", views=swapped, share=0.75, **DECODER)
    assert float(other(encodings).loss.mean()) == pytest.approx(
        float(output.metrics["other_image"]), rel=1e-5
    )
    assert abs(float(output.metrics["other_image"]) - loss) > 1e-6
    # Of the first view the decoder sees what is shown alone; what is hidden is in the targets, and nowhere else.
    pixels = np.repeat(np.repeat(where.reshape(8, 4, 4), 4, axis=1), 4, axis=2)[..., None]
    spoilt = PAIRS.at[:, 0].set(jnp.where(pixels, 255 - PAIRS[:, 0], PAIRS[:, 0]))
    third, encodings = asked("cross_view", views=spoilt, share=0.75, **DECODER)
    seen = []
    for one, views in ((objective, PAIRS), (third, spoilt)):
        one.decoder.decoder = Recorded(one.decoder.decoder, seen)
        one(encodings.altered(pair=views))
    np.testing.assert_array_equal(seen[0], seen[2])


class Recorded:
    def __init__(self, decoder, seen):
        self.decoder, self.seen = decoder, seen

    def __call__(self, x, memory):
        self.seen.append(np.asarray(x))
        return self.decoder(x, memory)


def test_half_is_noise_or_a_part_is_another_image_s(asked):
    objective, encodings = asked("corruption", hidden_width=16, output_width=8)
    images, where = map(np.asarray, objective.corrupted(encodings))
    counts = where.sum(axis=2)
    assert set(counts.ravel()) == {8, 4}, "half of sixteen patches, or three tenths"
    pixels = np.repeat(np.repeat(where.reshape(8, 2, 4, 4), 4, axis=2), 4, axis=3)
    np.testing.assert_array_equal(images[~pixels], np.asarray(PAIRS)[~pixels])
    other = np.roll(np.asarray(PAIRS), 1, axis=0)
    for row, view in zip(*np.nonzero(counts == 4), strict=True):
        own = pixels[row, view]
        np.testing.assert_array_equal(images[row, view][own], other[row, view][own])


def test_places_alone_pick_no_better_than_chance(asked):
    objective, encodings = asked("patch_picking", share=0.5, depth=1, heads=2, mlp_dim=32)
    hidden, seen = objective.drawn(encodings, 8)
    assert np.sort(np.concatenate([hidden, seen], axis=1), axis=1).tolist() == [[0, 1, 2, 3]] * 8
    pieces = objective.cut(encodings.batch["image"])
    np.testing.assert_array_equal(pieces[:, 1], encodings.batch["image"][:, :8, 8:])
    objective.context = lambda rows, places: jnp.zeros((8, 16))
    objective.places[...] = jnp.zeros_like(objective.places[...])
    assert float(objective(encodings).loss.mean()) == pytest.approx(np.log(2), rel=1e-6)
    # Whatever the other images of the batch are, an image's own scores stay.
    objective, encodings = asked("patch_picking", share=0.5, depth=1, heads=2, mlp_dim=32)
    rows = jnp.asarray(DICE.normal(size=(8, 2, 16)), jnp.float32)
    context = jnp.asarray(DICE.normal(size=(8, 16)), jnp.float32)
    scores = objective.scores(context, hidden, rows)
    np.testing.assert_array_equal(scores[0], objective.scores(context, hidden, rows.at[1:].set(7.0))[0])


def test_with_nothing_mixed_and_texts_alone_it_is_clip(asked, config):
    settings = {"mixed": 0.0, "view_weight": 0.0, "depth": 0}
    objective, encodings = asked("mixed_views", **settings)
    encodings = encodings.altered(image=encodings.batch["strong"][:, 0])
    config.objectives.contrastive.weight = 1.0
    clip = Pretrainer(config, vocabulary_size=50, compute=Compute()).objectives["contrastive"]
    value, expected = (float(one(encodings).loss.mean()) for one in (objective, clip))
    assert value == pytest.approx(expected, rel=1e-6)


def test_a_mixture_is_of_two_images_and_both_are_asked_for(asked):
    objective, encodings = asked("mixed_views", hidden_width=16, output_width=8, depth=1, heads=2, mlp_dim=32)
    images, first = map(np.asarray, objective.mixture(encodings))
    assert (first.sum(axis=1) == 8).all()
    pixels = np.repeat(np.repeat(first.reshape(8, 4, 4), 4, axis=1), 4, axis=2)
    own, other = np.asarray(PAIRS[:, 0]), np.roll(np.asarray(PAIRS[:, 0]), 1, axis=0)
    np.testing.assert_array_equal(images[pixels], own[pixels])
    np.testing.assert_array_equal(images[~pixels], other[~pixels])
    answers = np.asarray(objective.answers(encodings))
    assert np.abs(answers[:, 0] - answers[:, 1]).max() > 1e-4


def test_a_bag_is_a_distribution_and_its_teacher_learns_nothing(asked):
    small = {"hidden_width": 16, "bottleneck_width": 8, "prototypes": 32}
    objective, _ = asked("cross_level", **small)
    tokens = jnp.asarray(DICE.normal(size=(4, 2, 6, 16)), jnp.float32)
    np.testing.assert_allclose(objective.bag(tokens, 0).sum(axis=-1), 1.0, rtol=1e-5)
    crops = [TowerOutput(tokens[:, :, 0], tokens), TowerOutput(tokens[:, :, 0], tokens[:, :, :3])]

    graphdef, state = nnx.split(objective)

    def loss(taught):
        own = nnx.merge(graphdef, state, copy=True)
        targets = own.targets_of(taught[:, :, 0], jnp.int32(0))
        regions = own.between_regions(crops, TowerOutput(taught[:, :, 0], taught), jnp.int32(0))
        return regions + own.bags(crops, targets, 0)

    assert np.abs(jax.grad(loss)(tokens + 1.0)).max() == 0
