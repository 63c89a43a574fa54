"""Colours: the tower sees greys alone, and the loss is that of the pixels in colour."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from vlp.models.compute import Compute
from vlp.objectives.colours import grey_of
from vlp.pretrainer import Pretrainer


def test_pixels_are_told_from_greys_and_the_caption(config, batch):
    config.objectives.contrastive.weight = 0.0
    config.objectives.colours.update(weight=1.0, width=8)
    pretrainer = Pretrainer(config, vocabulary_size=50, compute=Compute())
    objective = pretrainer.objectives["colours"]
    objective.paint.kernel[...] *= 0.0
    graphdef, state = nnx.split(pretrainer)

    @jax.jit
    def loss(state, images, bias):
        own = nnx.merge(graphdef, state, copy=True)
        own.objectives["colours"].paint.bias[...] = bias
        encodings = own.encodings({**batch, "image": images}, key=jax.random.key(0), step=jnp.int32(0))
        return own.objectives["colours"](encodings).loss.mean()

    images = batch["image"]
    colour = np.array([0.5, -0.25, 0.1], np.float32)
    pixels = np.asarray(images, np.float64) / 127.5 - 1  # mean and deviation are 0.5
    value = loss(state, images, jnp.tile(jnp.asarray(colour), 16))
    assert float(value) == pytest.approx(((pixels - colour) ** 2).mean(), rel=1e-5)
    grey = np.asarray(grey_of(images), np.int64)
    assert (grey[..., 0] == grey[..., 1]).all() and (grey[..., 0] == grey[..., 2]).all()
    expected = np.asarray(images, np.float64) @ [0.299, 0.587, 0.114]
    assert np.abs(grey[..., 0] - expected).max() <= 0.51
