"""Views of a batch, one or several an example, through the towers."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from configs import base
from vlp.encodings import Encodings
from vlp.models.compute import resolve_compute
from vlp.models.dual_encoder import DualEncoder

HALF = (0.5, 0.5, 0.5)


@pytest.mark.slow
def test_several_views_an_example_are_each_encoded_as_if_alone():
    config = base.get_config().unlock().model
    tiny = {"size": "", "width": 16, "depth": 1, "heads": 2, "mlp_dim": 32}
    config.embed_dim = 8
    config.image.update(tiny, patch_size=8, resolution=16)
    config.text.update(tiny)
    model = DualEncoder(
        config, vocabulary_size=50, length=6, compute=resolve_compute(config), rngs=nnx.Rngs(0)
    )
    dice = np.random.default_rng(0)
    mask = jnp.arange(6) < jnp.asarray(dice.integers(2, 7, (4, 3)))[..., None]
    batch = {
        "views": jnp.asarray(dice.integers(0, 256, (4, 2, 16, 16, 3), np.uint8)),
        "texts": jnp.asarray(dice.integers(4, 50, (4, 3, 6), np.int32)),
        "texts_mask": mask,
    }
    encodings = Encodings(model, batch, key=jax.random.key(0), step=jnp.int32(0), mean=HALF, std=HALF)
    assert encodings.image("views").shape == (4, 2, 8) and encodings.text("texts").shape == (4, 3, 8)
    assert encodings.image_tower("views").tokens.shape == (4, 2, 4, 16)
    alone = {"image": batch["views"][:, 1], "text": batch["texts"][:, 2], "text_mask": mask[:, 2]}
    one = Encodings(model, alone, key=jax.random.key(0), step=jnp.int32(0), mean=HALF, std=HALF)
    np.testing.assert_allclose(encodings.image("views")[:, 1], one.image(), atol=1e-5)
    np.testing.assert_allclose(encodings.text("texts")[:, 2], one.text(), atol=1e-5)
