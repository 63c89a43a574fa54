"""A tiny config, and a batch for it."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from small_inputs import tiny_config


@pytest.fixture
def config():
    """A pretrainer so small that it compiles at once."""
    return tiny_config()


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
