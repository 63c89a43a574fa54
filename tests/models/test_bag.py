"""A bag of words: order and padding cannot be seen, n-grams see order within themselves."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from ml_collections import ConfigDict

from vlp.models.bag import BagOfWords, ngram_rows
from vlp.models.compute import Compute

IDS = jnp.asarray([[5, 9, 8, 5, 0, 0], [7, 3, 0, 0, 0, 0]])
MASK = IDS > 0


def bag(**changes):
    config = {"size": "", "width": 8, "mlp_dim": 16, "activation": "gelu_tanh", "ngrams": 1, "buckets": 32}
    return BagOfWords(
        ConfigDict({**config, **changes}), vocabulary_size=20, length=6, compute=Compute(), rngs=nnx.Rngs(0)
    )


@pytest.mark.parametrize("ngrams", [1, 3])
def test_it_is_the_mean_of_what_its_ngrams_are_embedded_as(ngrams):
    tower = bag(ngrams=ngrams)
    table = np.asarray(tower.embedding.embedding[...])
    for text in range(2):
        words = [int(one) for one in IDS[text] if one]
        rows = list(words)
        for span in range(2, ngrams + 1):
            hashed = ngram_rows(IDS[text : text + 1], span, 32)[0]
            rows += [20 + int(hashed[end]) for end in range(span - 1, len(words))]
        expected = tower.mlp(jnp.asarray(table[rows].mean(axis=0)[None]))[0]
        np.testing.assert_allclose(tower(IDS, MASK).pooled[text], expected, atol=1e-6)


def test_order_is_seen_by_bigrams_alone_and_padding_by_none():
    turned = IDS.at[0].set(jnp.asarray([9, 5, 5, 8, 0, 0]))
    for ngrams in (1, 2):
        tower = bag(ngrams=ngrams)
        pooled = tower(IDS, MASK).pooled
        assert np.allclose(pooled, tower(turned, MASK).pooled, atol=1e-6) is (ngrams == 1)
        np.testing.assert_array_equal(pooled, tower(jnp.where(MASK, IDS, 13), MASK).pooled)


def test_equal_ngrams_share_a_row_wherever_they_stand():
    rows = ngram_rows(jnp.asarray([[4, 6, 1, 4, 6, 2]]), 2, 10_000)[0]
    assert rows[1] == rows[4] and len({int(row) for row in rows[1:]}) == 4
