"""A tiny config, a batch for it, and an objective with parameters and dice of its own."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from configs import base
from vlp.kernels.loss import Loss
from vlp.objectives import OBJECTIVES
from vlp.objectives.base import Objective, ObjectiveOutput


class Distraction(Objective):
    """Pulls image embeddings towards a learned vector, with noise: learns, rolls dice, reads the same encodings."""

    def __init__(self, config, *, model, rngs):
        self.fields = ("image",)
        self.centre = nnx.Param(jax.random.normal(rngs.params(), (16,)))

    def __call__(self, encodings):
        noise = jax.random.normal(encodings.key("distraction"), (16,))
        cosines = encodings.image() @ (self.centre[...] + noise)
        return ObjectiveOutput(Loss(-cosines.sum(), jnp.float32(len(cosines))), {"cosine": cosines.mean()})


@pytest.fixture
def distraction(monkeypatch):
    """Registers the objective for one test."""
    monkeypatch.setitem(OBJECTIVES, "distraction", Distraction)


@pytest.fixture
def config():
    """A pretrainer so small that it compiles at once."""
    config = base.get_config()
    config.unlock()
    config.model.embed_dim = 16
    tiny = {"size": "", "width": 16, "depth": 1, "heads": 2, "mlp_dim": 32}
    config.model.image.update(tiny, patch_size=4, resolution=16, patch_dropout=0.5)
    config.model.text.update(tiny)
    config.tokenizer.length = 6
    config.objectives.contrastive.weight = 1.0
    config.objectives.distraction = {"weight": 0.0}
    return config


@pytest.fixture
def batch():
    """Eight random pairs."""
    generator = np.random.default_rng(0)
    lengths = generator.integers(2, 7, size=8)
    return {
        "image": jnp.asarray(generator.integers(0, 256, (8, 16, 16, 3), dtype=np.uint8)),
        "text": jnp.asarray(generator.integers(4, 50, (8, 6), dtype=np.int32)),
        "text_mask": jnp.asarray(np.arange(6)[None] < lengths[:, None]),
    }
