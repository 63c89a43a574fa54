"""Hidden patches: as many as asked for, the same for the same key, in blocks where asked for."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vlp.models.masking import hidden_patches


def neighbours(where):
    """How many pairs of patches beside each other are both hidden."""
    return (where[:, 1:] & where[:, :-1]).sum() + (where[:, :, 1:] & where[:, :, :-1]).sum()


@pytest.mark.parametrize("blocks", [True, False])
def test_exactly_the_share_is_hidden_and_other_patches_in_every_row(blocks):
    shares = jnp.asarray([0.0, 0.25, 0.3, 0.5, 1.0] * 2)
    where = np.asarray(hidden_patches(jax.random.key(0), shares, 6, blocks=blocks))
    assert where.sum(axis=1).tolist() == [0, 9, 10, 18, 36] * 2
    assert (where[1] != where[6]).any()
    again = np.asarray(hidden_patches(jax.random.key(0), shares, 6, blocks=blocks))
    np.testing.assert_array_equal(where, again)


def test_blocks_lie_together():
    shares = jnp.full((64,), 0.4)
    there, scattered = (
        np.asarray(hidden_patches(jax.random.key(1), shares, 8, blocks=blocks)).reshape(-1, 8, 8)
        for blocks in (True, False)
    )
    assert neighbours(there) > 1.4 * neighbours(scattered)
    # Nowhere more than elsewhere, when patches are scattered.
    assert np.abs(scattered.mean(axis=0) - 0.4).max() < 0.25
