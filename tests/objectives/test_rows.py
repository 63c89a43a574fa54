"""Objectives whose score matrix may exist some rows at a time: the same loss and slope, and no buffer of the whole."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vlp.given import Context
from vlp.models.compute import Compute
from vlp.objectives.scorers import Scores
from vlp.objectives.teachers import Taught
from vlp.pretrainer import Pretrainer

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
        objective._watched(images, texts, jnp.arange(len(images)) // 2).metrics(),
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
