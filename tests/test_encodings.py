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
from vlp.models.text import SoftTokens

HALF = (0.5, 0.5, 0.5)


@pytest.fixture(scope="module")
def model():
    """Two tiny towers."""
    config = base.get_config().unlock().model
    tiny = {"size": "", "width": 16, "depth": 1, "heads": 2, "mlp_dim": 32}
    config.embed_dim = 8
    config.image.update(tiny, patch_size=8, resolution=16)
    config.text.update(tiny)
    return DualEncoder(
        config, vocabulary_size=50, length=6, compute=resolve_compute(config), rngs=nnx.Rngs(0)
    )


@pytest.mark.slow
def test_several_views_an_example_are_each_encoded_as_if_alone(model):
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


@pytest.mark.slow
def test_soft_tokens_stand_in_the_places_of_tokens_of_constant_texts(model, monkeypatch):
    monkeypatch.setattr("vlp.models.constants.AT_A_TIME", 2)  # of five, so that parts and a rest are encoded
    ids = jnp.asarray(np.random.default_rng(0).integers(4, 50, (5, 6)), jnp.int32)
    label = jnp.asarray([0, 0, 1, 2, 2], jnp.int32)
    arrays = {"ids": ids, "mask": jnp.ones(ids.shape, bool), "label": label, "first": jnp.asarray([0, 2, 3])}
    encodings = Encodings(model, {"texts/classes": arrays}, key=None, step=jnp.int32(0), mean=HALF, std=HALF)
    rows = encodings.texts("classes")
    np.testing.assert_allclose(rows, model.encode_text(ids, arrays["mask"]), atol=1e-6)
    own = SoftTokens(model.text.embedding(ids[:, 1:3]), jnp.broadcast_to(jnp.asarray([1, 2]), (5, 2)))
    np.testing.assert_allclose(encodings.texts("classes", own), rows, atol=1e-6)
    other = encodings.label_texts("classes", SoftTokens(-own.values, own.places))
    assert other.shape == (3, rows.shape[1]) and np.abs(other - encodings.label_texts("classes")).max() > 1e-3
    np.testing.assert_allclose(encodings.label_texts("classes")[1], rows[2], atol=1e-6)


def test_stored_rows_do_not_stand_for_a_view_that_is_altered(model):
    rows = np.eye(8, dtype=np.float32)[:4]
    batch = {"image": jnp.zeros((4, 16, 16, 3), jnp.uint8), "stored_image": rows, "stored_text": rows}
    encodings = Encodings(model, batch, key=None, step=jnp.int32(0), mean=HALF, std=HALF)
    altered = encodings.altered(image=batch["image"] + 255)
    np.testing.assert_array_equal(encodings.image(), rows)
    np.testing.assert_array_equal(altered.text(), rows)
    assert np.abs(altered.image() - rows).max() > 1e-3
