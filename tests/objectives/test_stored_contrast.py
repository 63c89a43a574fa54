"""Images against stored rows: the loss as it is written down, without slope into the store, and what is refused."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from input_pipeline.errors import UserError
from vlp.models.compute import Compute
from vlp.pretrainer import Pretrainer


def test_it_is_infonce_both_ways_and_the_store_has_no_slope(config, batch):
    config.objectives.contrastive.weight = 0.0
    config.objectives.stored_contrast.update(weight=1.0, width=12, chunk=3)
    objective = Pretrainer(config, vocabulary_size=50, compute=Compute()).objectives["stored_contrast"]
    dice = np.random.default_rng(0)
    images, stored = (jnp.asarray(dice.normal(size=(8, 12)), jnp.float32) for _ in range(2))

    def loss(images, stored):
        return objective.compare(images, stored)[0].mean()

    value, slopes = jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))(images, stored)
    rows, columns = (np.asarray(x, np.float64) / np.linalg.norm(x, axis=1)[:, None] for x in (images, stored))
    scores = rows @ columns.T / 0.2
    ways = [np.log(np.exp(one).sum(axis=1)) - np.diag(one) for one in (scores, scores.T)]
    np.testing.assert_allclose(value, np.mean(ways), rtol=1e-5)
    assert np.abs(slopes[0]).max() > 0 and not np.asarray(slopes[1]).any()
    encodings = type("Seen", (), {"batch": {"described": jnp.ones((8, 5))}})()
    with pytest.raises(UserError, match=r"described has rows of \(5,\).*width=12: set it to theirs"):
        objective(encodings)
