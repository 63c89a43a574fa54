"""Masked image modelling: the pixels of hidden patches from those that are seen."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool

from vlp.encodings import Encodings
from vlp.kernels.patches import normalised_patches
from vlp.kernels.regression import absolute_error, squared_error
from vlp.models.dual_encoder import DualEncoder
from vlp.models.linear import linear
from vlp.models.masking import hidden_patches
from vlp.models.vision import Masked, patchify
from vlp.objectives.base import Objective, ObjectiveOutput

ERRORS = {"squared": squared_error, "absolute": absolute_error}


class MaskedPixels(Objective):
    """A token stands in the place of hidden patches, and a linear layer on the tower's outputs gives their pixels.

    SimMIM (arXiv 2111.09886, section 3), with the targets of masked autoencoders: pixels normalised in each patch
    (2111.06377, section 3). The error is the mean over all hidden patches of the batch.
    """

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs):
        """Builds the token and the layer.

        Args:
          config: `view`, `share` and `blocks` of what is hidden, `normalise` and `error` of the prediction.
          model: whose image tower learns.
          rngs: initial values.
        """
        tower = model.image
        self.values, self.patch_size = 3 * tower.patch_size**2, tower.patch_size
        self.width, self.patch_count = tower.width, tower.side**2
        self.mask_token = nnx.Param(jnp.zeros((tower.width,)))
        self.head = linear(tower.width, self.values, std=tower.width**-0.5, compute=tower.compute, rngs=rngs)
        self.share, self.blocks = config.share, config.blocks
        self.normalise, self.error = config.normalise, config.error
        self.view = config.view
        self.fields = (self.view,)

    def flops(self) -> float:
        """Counts the layer, of every patch."""
        return 2.0 * self.patch_count * self.width * self.values

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """Returns the mean error of a value over all hidden patches."""
        pixels = encodings.pixels(self.view)
        targets = patchify(pixels.reshape(-1, *pixels.shape[-3:]), self.patch_size)
        where = self.hidden(encodings, targets.shape[:2])
        tower, key = encodings.model.image, encodings.key(f"{self.view}/masked")
        masked = Masked(where, self.mask_token[...])
        seen = encodings.through(tower, self.view, key, masked=masked).tokens
        predictions = self.head(seen.reshape(*targets.shape[:2], -1))
        targets = normalised_patches(targets) if self.normalise else targets
        rows = (x.reshape(-1, x.shape[-1]) for x in (predictions, targets))
        loss = ERRORS[self.error](*rows, mask=where.reshape(-1))
        return ObjectiveOutput(loss, {"hidden": where.mean()})

    def hidden(self, encodings: Encodings, shape: tuple[int, ...]) -> Bool[Array, "images patches"]:
        """Draws which patches are hidden, the same share of each image."""
        key, side = encodings.key(f"{self.view}/hidden"), round(shape[1] ** 0.5)
        shares = jnp.full((shape[0],), self.share)
        return jax.lax.stop_gradient(hidden_patches(key, shares, side, blocks=self.blocks))
