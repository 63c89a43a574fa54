"""Attribute words: which tokens are hidden, and that what is hidden is not read."""

from __future__ import annotations

import runpy
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vlp.models.compute import Compute
from vlp.objectives.attribute_words import attribute_tokens
from vlp.pretrainer import Pretrainer

CASE = runpy.run_path(str(Path(__file__).parent / "cases" / "attribute_words.py"))


def test_tokens_of_words_are_found_but_not_the_ends_of_texts():
    words = jnp.array([[1, 7, 2, 0], [1, 8, 9, 2]])
    ids = jnp.array([[1, 7, 5, 8, 2, 9], [7, 9, 2, 8, 0, 0]])
    mask = jnp.array([[True] * 5 + [False], [True] * 4 + [False] * 2])
    found = attribute_tokens(ids, mask, words, words > 0)
    np.testing.assert_array_equal(found, [[0, 1, 0, 1, 0, 0], [0, 1, 0, 0, 0, 0]])


def test_what_is_hidden_is_not_read_and_the_image_is(config, batch):
    config.objectives.contrastive.weight = 0.0
    config.objectives.attribute_words.update(weight=1.0, **{**CASE["SETTINGS"], "share": 1.0})
    config.model.image.patch_dropout = 0.0
    pretrainer = Pretrainer(config, vocabulary_size=50, compute=Compute(), context=CASE["CONTEXT"])
    objective = pretrainer.objectives["attribute_words"]
    given = jax.tree.map(jnp.asarray, CASE["GIVEN"])
    mask = jnp.ones_like(batch["text_mask"])
    texts = jnp.tile(jnp.array([[1, 30, 5, 31, 9, 2]]), (8, 1))
    read = []

    def seen(texts, image):
        encodings = pretrainer.encodings(
            {"image": image, "text": texts, "text_mask": mask, **given},
            key=jax.random.key(0),
            step=jnp.int32(0),
        )
        scores = objective.scores

        class Listening:
            out_features = scores.out_features

            def __call__(self, x):
                read.append(np.asarray(scores(x)))
                return scores(x)

        object.__setattr__(objective, "scores", Listening())
        output = objective(encodings)
        object.__setattr__(objective, "scores", scores)
        return output

    output = seen(texts, batch["image"])
    others = seen(texts.at[:, 2].set(6).at[:, 4].set(27), batch["image"])  # other attributes in these places
    words = seen(texts.at[:, 3].set(32), batch["image"])
    images = seen(texts, batch["image"][::-1])
    plain, hidden, word, image = read
    np.testing.assert_array_equal(hidden, plain)
    assert np.abs(word - plain).max() > 0 and np.abs(image - plain).max() > 0
    shares = plain - np.log(np.exp(plain.astype(np.float64)).sum(-1, keepdims=True))
    assert float(output.loss.mean()) == pytest.approx(-shares[:, [2, 4], [5, 9]].mean(), rel=1e-5)
    assert float(others.loss.mean()) == pytest.approx(-shares[:, [2, 4], [6, 27]].mean(), rel=1e-5)
    assert float(output.metrics["hidden"]) == pytest.approx(2 / 6) and words and images
