"""A tiny config, and a batch for it."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from configs import base


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
    config.objectives.distraction = {"kind": "distraction:Distraction", "weight": 0.0}
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
