"""Which columns and dimensions are drawn."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vlp.kernels.sampling import columns_to_keep, sample_columns, sample_dimensions

draw = jax.jit(sample_columns, static_argnums=(2, 3))


def test_every_label_is_kept_and_the_rest_is_uniform():
    labels = jnp.asarray([[3, 19], [3, 7], [-1, 20]])
    drawn = np.stack([draw(jax.random.key(seed), labels, 20, 8) for seed in range(200)])
    assert drawn.shape == (200, 8) and (np.diff(drawn) > 0).all() and drawn.min() >= 0 and drawn.max() < 20
    counts = np.bincount(drawn.ravel(), minlength=20)
    assert (counts[[3, 7, 19]] == 200).all()
    others = np.delete(counts, [3, 7, 19])
    assert abs(others - 200 * 5 / 17).max() < 4.5 * np.sqrt(200 * 5 / 17 * 12 / 17)


def test_padding_and_other_shards_labels_keep_no_column_of_their_own():
    labels = jnp.asarray([[2, -1, 20, 21, -7]])  # none of them the last column
    drawn = np.stack([draw(jax.random.key(seed), labels, 20, 4) for seed in range(100)])
    counts = np.bincount(drawn.ravel(), minlength=20)
    assert counts[2] == 100 and counts[19] < 50 and counts[0] < 50 and counts[13] < 50


@pytest.mark.parametrize(
    ("columns", "rate", "labels", "kept"),
    [
        (100, 0.1, 4, 10),
        (100, 0.1, 30, 30),
        (100, 0.1, 300, 100),
        (100, 0.001, 0, 1),
        (7, 0.5, 1, 3),
        (5, 1.0, 1, 5),
    ],
)
def test_a_step_keeps_its_share_or_as_many_as_it_has_labels(columns, rate, labels, kept):
    assert columns_to_keep(columns, rate, labels) == kept


def test_more_labels_than_places_keeps_labels_only():
    kept = np.asarray(draw(jax.random.key(0), jnp.arange(10), 20, 4))
    assert len(set(kept)) == 4 and (kept < 10).all()


def test_dimensions_are_distinct_and_impossible_counts_are_refused():
    for count in (1, 16):
        assert len(set(np.asarray(sample_dimensions(jax.random.key(0), 16, count)))) == count
        assert len(set(np.asarray(sample_columns(jax.random.key(0), jnp.arange(2), 16, count)))) == count
    kept = np.asarray(sample_dimensions(jax.random.key(0), 16, 5))
    assert (np.diff(kept) > 0).all() and kept.min() >= 0 and kept.max() < 16
    for sample in (
        sample_dimensions,
        lambda key, size, count: sample_columns(key, jnp.arange(2), size, count),
    ):
        for count in (0, 17):
            with pytest.raises(ValueError, match=f"cannot keep {count} of 16 .*between 1 and 16"):
                sample(jax.random.key(0), 16, count)
