"""Identities: CMPM by hand, the targets of a row divided by their sum, as the paper says, or by their length."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from vlp.given import Context
from vlp.models.compute import Compute
from vlp.pretrainer import Pretrainer

EPSILON = 1e-3


def divergence(one: np.ndarray, other: np.ndarray, same: np.ndarray, length: bool) -> float:
    """Equation 5 for one direction, in float64: softmax(one . unit(other)) from the targets."""
    scores = one @ (other / np.linalg.norm(other, axis=1, keepdims=True)).T
    likely = np.exp(scores - scores.max(axis=1, keepdims=True))
    likely /= likely.sum(axis=1, keepdims=True)
    size = np.linalg.norm(same, axis=1) if length else same.sum(axis=1)
    return float((likely * (np.log(likely) - np.log(same / size[:, None] + EPSILON))).sum())


@pytest.mark.parametrize("divide", ["sum", "length"])
def test_the_loss_is_that_of_equation_5(divide, config):
    for entry in config.objectives.values():
        entry.weight = 0.0
    config.objectives.identities.update(weight=1.0, divide=divide, epsilon=EPSILON)
    pretrainer = Pretrainer(config, vocabulary_size=50, compute=Compute(), context=Context.from_dict({}))
    objective = pretrainer.objectives["identities"]
    images, texts = np.random.default_rng(0).normal(size=(2, 6, 4))
    ids = np.array([0, 0, 0, 1, 1, 2])  # so that sums and lengths of targets differ
    same = (ids[:, None] == ids).astype(np.float64)
    length = divide == "length"
    expected = divergence(images, texts, same, length) + divergence(texts, images, same, length)
    given = (jnp.asarray(images, jnp.float32), jnp.asarray(texts, jnp.float32), jnp.asarray(ids))
    assert float(objective.contrast(*given).mean()) == pytest.approx(expected / 6, rel=1e-5)
