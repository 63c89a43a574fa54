"""Room for soft tokens in texts, word by word."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from vlp.models.spliced import spliced


def by_hand(text, count, length):
    """A text with zeros for soft tokens; what is too long is cut before its end."""
    words = [text[0], *[0] * count, *text[1:]]
    return words if len(words) <= length else [*words[: length - 1], words[-1]]


def test_soft_tokens_stand_behind_the_first_and_the_end_stays():
    length, texts = 7, [[5, 9], [5, 6, 9], [5, 6, 7, 8, 9], [5, 6, 7, 8, 3, 2, 9]]
    ids = jnp.array([text + [1] * (length - len(text)) for text in texts])
    mask = jnp.array([[place < len(text) for place in range(length)] for text in texts])
    values = jnp.arange(4 * 3 * 2.0).reshape(4, 3, 2)
    found = spliced(ids, mask, values)
    np.testing.assert_array_equal(found.soft.places, [[1, 2, 3]] * 4)
    np.testing.assert_array_equal(found.soft.values, values)
    for row, text in enumerate(texts):
        expected = by_hand(text, 3, length)
        real = np.asarray(found.mask[row])
        assert real.sum() == len(expected) and real[: len(expected)].all()
        kept = np.asarray(found.ids[row])[real]
        kept[1:4] = 0
        assert kept.tolist() == expected
