"""What a sweep over tiles keeps of each row: of equal scores the first, however the tiles come."""

from __future__ import annotations

import itertools

import jax.numpy as jnp
import numpy as np
import pytest

from vlp.parallel.contrastive import chunked_softmax
from vlp.parallel.running import Best, Matches, Normaliser

SCORES = np.asarray([[1.0, 3.0, 2.0, 3.0], [5.0, 5.0, 5.0, 5.0], [0.0, 1.0, 2.0, 2.0]])


def best_of(tiles):
    """The best of columns that come in tiles; column 1 matches row 0, column 0 row 1, column 3 row 2."""
    matches = np.asarray([[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]], bool)
    best = Best.empty(3, jnp.float32)
    for columns in tiles:
        part = SCORES[:, columns]
        place = part.argmax(axis=1)
        found = np.asarray(columns)[place]
        rows = np.arange(3)
        best = best.better(
            Best(
                jnp.asarray(part[rows, place]),
                jnp.asarray(found, jnp.int32),
                jnp.asarray(matches[rows, found]),
            )
        )
    return best


@pytest.mark.parametrize("tiles", [*itertools.permutations([[0], [1], [2, 3]])])
def test_of_equal_scores_the_first_column_is_the_best_in_any_order(tiles):
    best = best_of(tiles)
    assert np.asarray(best.place).tolist() == SCORES.argmax(axis=1).tolist() == [1, 0, 2]
    assert np.asarray(best.hit).tolist() == [True, True, False]


def test_equal_columns_count_the_first_alone_as_right():
    """Two equal texts: a row finds the first of them, so that the second row's own is no hit."""
    rows = jnp.asarray([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    for chunk in (1, 2, 3):
        contrast = chunked_softmax(rows, rows, jnp.float32(5.0), chunk=chunk)
        assert float(contrast.metrics["accuracy"]) == pytest.approx(2 / 3)


@pytest.mark.parametrize("tiles", [[[0, 1], [2, 3]], [[3], [0, 2], [1]]])
def test_normalisers_and_matches_add_up_whatever_the_tiles(tiles):
    normaliser, matches = Normaliser.empty(3, jnp.float32), Matches.empty(3, jnp.float32)
    same = np.asarray([[1, 0, 1, 0], [0, 0, 0, 0], [0, 1, 1, 1]], bool)
    for columns in tiles:
        normaliser = normaliser.include(jnp.asarray(SCORES[:, columns], jnp.float32), axis=1)
        matches = matches.include(
            jnp.asarray(SCORES[:, columns], jnp.float32), jnp.asarray(same[:, columns]), 1
        )
    level = jnp.asarray([1.0, 2.0, 3.0])
    expected = np.log(np.exp(SCORES).sum(axis=1)) - np.asarray(level)
    np.testing.assert_allclose(normaliser.log_above(level), expected, rtol=1e-6)
    np.testing.assert_allclose(matches.total, (SCORES * same).sum(axis=1))
    np.testing.assert_allclose(matches.mean(), [1.5, 0.0, 5 / 3], rtol=1e-6)
