"""Objectives whose score matrix may exist some rows at a time: the same loss and slope, and no buffer of the whole."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from alone import CASES, alone, loss_of, pretrainer, shapes
from alone import rows as alone_rows
from small_inputs import tiny_config

from vlp.given import Context
from vlp.models.compute import Compute
from vlp.objectives.rows import own_columns
from vlp.objectives.scorers import Scores
from vlp.objectives.teachers import Taught
from vlp.pretrainer import Pretrainer
from vlp.training.state import split

DIM = 16
TERMS = ("affinity", "interactive", "cross_affinity", "gradient", "fusion")
STORED = {"stored_images": ("a",), "stored_texts": ("b",), "stored_widths": (DIM,), "scales": (20.0,)}
SIDES = ((DIM,), (DIM,), (2, DIM))  # of a row: an image, a text, and two more


def built(config, name, **settings):
    """An objective alone."""
    for entry in config.objectives.values():
        entry.weight = 0.0
    config.objectives[name].update(weight=1.0, **settings)
    context = Context.from_dict({"texts": {"changes": (4, 3)}, "labels": {"changes": 3}})
    return Pretrainer(config, vocabulary_size=50, compute=Compute(), context=context).objectives[name]


def hard_negatives(config, **settings):
    objective = built(config, "hard_negatives", **settings)

    def loss(images, texts, more):
        scores = Scores(images, texts, jnp.float32(9.0), jnp.float32(0.0))
        batch = len(images)
        return objective.compare(scores, more, jnp.ones((batch, 2), bool), jnp.arange(batch) // 2)

    return lambda *rows: (loss(*rows)[0].mean(), loss(*rows)[1])


def identities(config, **settings):
    objective = built(config, "identities", divide="length", **settings)
    return lambda images, texts, more: (
        objective.contrast(images, texts, jnp.arange(len(images)) // 2).mean(),
        {},
    )


def sentence_prompts(config, **settings):
    tiny = {"size": "", "width": 16, "depth": 1, "heads": 2, "mlp_dim": 32, "prompts": 2}
    objective = built(config, "sentence_prompts", **tiny, **settings)

    def loss(images, texts, more):
        there = jnp.arange(len(images)) % 3 > 0
        return objective.compare(images, texts, more, more, there)

    return lambda *rows: (loss(*rows)[0].mean(), loss(*rows)[1])


def distillation(config, **settings):
    objective = built(config, "distillation", **STORED, **dict.fromkeys(TERMS, 1.0), **settings)
    scale, bias = jnp.float32(9.0), jnp.float32(0.0)

    def loss(images, texts, more):
        one, teacher = Taught(images, texts, scale, bias), Taught(more[:, 0], more[:, 1], scale, bias)
        return sum(objective._term(name, one, one, [teacher]) for name in TERMS), None

    return loss


# Which ask every image, or a part of one, for every text or view of the batch, or for a bank: settings, and cells to
# those of a matrix of the batch.
MANY = 2**17
EVERY = {
    "corruption": ({}, 1.0),
    "described_tags": ({}, 1.0),
    "discovery": ({"episode_size": MANY}, 4.0),
    "global_contrast": ({}, 1.0),
    "grounded_regions": ({}, 1.0),
    "instance_labels": ({"size": MANY}, 3.0),
    "mixed_views": ({}, 1.0),
    "neighbour_labels": ({"size": MANY}, 1.0),
    "pseudo_words": ({}, 1.0),
    "ranking": ({"positives": "sum"}, 1.0),
    "region_contrast": ({}, 1.0),
    "semantic_proxies": ({}, 0.5),
    "set_labels": ({"loss": "contrast"}, 0.25),
    "text_pooling": ({}, 1.0),
    "view_contrast": ({}, 4.0),
}
KINDS = (hard_negatives, identities, sentence_prompts, distillation)


def rows(count):
    drawn = np.random.default_rng(0).normal(size=(3, count, 2, DIM))
    drawn /= np.linalg.norm(drawn, axis=-1, keepdims=True)
    return [jnp.asarray(drawn[0, :, 0], jnp.float32), jnp.asarray(drawn[1, :, 0], jnp.float32), drawn[2]]


def slope(kind, config, **settings):
    return jax.jit(jax.value_and_grad(kind(config, **settings), argnums=(0, 1), has_aux=True))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_chunks_of_rows_give_the_whole_matrix_and_no_buffer_has_it(kind, config):
    given = [jnp.asarray(one, jnp.float32) for one in rows(10)]
    own = {"columns": "all"} if kind is hard_negatives else {}
    chunked = slope(kind, config, chunk=4, **own)
    whole = slope(kind, config, chunk=0, **own)(*given)
    for one, other in zip(jax.tree.leaves(chunked(*given)), jax.tree.leaves(whole), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    batch, chunk = 4096, 64
    shapes = [jax.ShapeDtypeStruct((batch, *side), jnp.float32) for side in SIDES]
    step = slope(kind, config, chunk=chunk)
    held = step.lower(*shapes).compile().memory_analysis().temp_size_in_bytes
    assert held < 4 * batch**2 / 2, f"{held / (4 * batch**2):.2f} of a score matrix"


def test_own_columns_are_found_the_same_in_blocks():
    dice = np.random.default_rng(0)
    first, second = (dice.normal(size=(7, 4)) for _ in range(2))
    given = jnp.asarray(first), jnp.asarray(second)
    there = jnp.asarray(np.arange(7) != 3)
    whole, right = own_columns(*given, 2.0, chunk=0, there=there)
    parts, again = own_columns(*given, 2.0, chunk=3, there=there)
    scores = 2.0 * (first @ second.T)[np.ix_(np.asarray(there), np.asarray(there))]
    likely = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    assert float(whole.mean()) == pytest.approx(-np.diag(likely).mean(), rel=1e-5)
    assert float(parts.mean()) == pytest.approx(float(whole.mean()), rel=1e-6)
    assert float(right) == float(again) == pytest.approx((scores.argmax(1) == np.arange(6)).mean())


@pytest.mark.slow
@pytest.mark.parametrize("name", EVERY)
def test_an_objective_in_chunks_is_the_whole_one_and_no_buffer_has_every_pair(name):
    settings, cells = EVERY[name]

    def step(chunk):
        made = pretrainer(alone(tiny_config(), name, chunk=chunk, **settings), name)
        graphdef, *state = split(made)
        slope = jax.jit(jax.value_and_grad(loss_of(graphdef), has_aux=True))
        return slope, state, alone_rows(made, name), CASES[name].get("GIVEN", {})

    (whole, state, batch, beside), (chunked, *_) = step(0), step(3)
    pairs = zip(*(jax.tree.leaves(one(*state, batch | beside)) for one in (chunked, whole)), strict=True)
    for one, other in pairs:
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=1e-5)
    many_slope = step(64)[0]
    batch = shapes(batch, lambda shape: (MANY, *shape[1:]))
    compiled = many_slope.lower(*shapes(tuple(state)), batch | shapes(beside)).compile()
    held = compiled.memory_analysis().temp_size_in_bytes
    assert held < cells * 4 * MANY**2 / 2, f"{held / (cells * 4 * MANY**2):.2f} of a score matrix"
