"""Targets of the routed specialist alone, and a head of blocks that is a dense one with zeros."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from configs.settings.objectives import concentration as settings
from input_pipeline.errors import UserError
from vlp.models.compute import Compute
from vlp.objectives.concentration import VerticalHead
from vlp.pretrainer import Pretrainer

SIZES = (3, 4)


def test_targets_outside_the_vertical_and_below_its_highest_are_exactly_zero(config):
    config.objectives.contrastive.weight = 0.0
    config.objectives.concentration.update(weight=1.0, sizes=SIZES, stored="answers", top=2, width=5)
    objective = Pretrainer(config, vocabulary_size=50, compute=Compute()).objectives["concentration"]
    answers = np.random.default_rng(0).random((5, 7)).astype(np.float32)
    verticals = np.array([0, 1, -1, 1, 0])
    parts = [jnp.asarray(answers[:, :3]), jnp.asarray(answers[:, 3:])]
    expected = np.zeros_like(answers)
    for row, (first, end) in enumerate((0, 3) if one == 0 else (3, 7) for one in verticals):
        best = first + np.argsort(answers[row, first:end])[-2:]
        expected[row, best] = answers[row, best] * (verticals[row] >= 0)
    np.testing.assert_array_equal(objective.targets(parts, jnp.asarray(verticals)), expected)
    with pytest.raises(
        UserError, match=r"vertical 0 answers for \(6,\) classes, and its student has sizes=\(3, 4\)"
    ):
        objective._answers(type("Seen", (), {"batch": {"answers": jnp.ones((2, 6))}})())
    config.objectives.concentration.update(stored="", teachers=("a",))
    with pytest.raises(ValueError, match="must be one a vertical"):
        settings.check(config.objectives.concentration, config, "objectives.concentration")


def test_the_blocks_are_a_dense_layer_with_zeros_between_verticals():
    head = VerticalHead(6, 5, SIZES, compute=Compute(), rngs=nnx.Rngs(0))
    features = jnp.asarray(np.random.default_rng(1).normal(size=(4, 6)), jnp.float32)
    rows = np.asarray(head.rows[...])
    dense = np.zeros((7, 10), np.float32)
    dense[:3, :5], dense[3:, 5:] = rows[:3], rows[3:]
    x = np.asarray(head.shared(features)).reshape(4, 2, 5)
    x = x / np.linalg.norm(x, axis=2, keepdims=True) * np.sqrt(SIZES)[:, None]
    np.testing.assert_allclose(head(features), x.reshape(4, 10) @ dense.T, rtol=1e-4, atol=1e-5)
