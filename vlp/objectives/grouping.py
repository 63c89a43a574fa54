"""Contrast of an image's captions with the patches that each of them picks out."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
from flax import nnx

from vlp.encodings import Encodings
from vlp.kernels.grouping import grouped_patches
from vlp.kernels.softmax import softmax
from vlp.models.dual_encoder import DualEncoder, scale_bounds
from vlp.objectives.base import Objective, ObjectiveOutput


class Grouping(Objective):
    """Patches pooled by a caption against that caption; the negatives are the other captions of the same image.

    DreamLIP (arXiv 2403.17007, section 3.3) as the paper has it; its released code contrasts all captions of the batch
    and takes them to the patches of other images. Beside `contrastive` on the same captions it is the whole method.
    """

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs):
        """Starts its scale.

        Args:
          config: `objectives.grouping`: the fields `image_view` and `text_view` (several captions an image), and
            `logit_scale`, the `init`, `min` and `max` of a learned scale of its own.
          model: unused, as is `rngs`: it draws nothing.
          rngs: unused.
        """
        del model, rngs
        scale = config.logit_scale
        bounds = scale_bounds(scale)
        self.logit_scale = nnx.Param(jnp.asarray(math.log(scale.init), jnp.float32), bounds=bounds)
        self.image_view, self.text_view = config.image_view, config.text_view
        self.fields = (self.image_view, self.text_view, f"{self.text_view}_mask")

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """Returns the mean over all captions."""
        texts, patches = encodings.text(self.text_view), encodings.patches(self.image_view)
        grouped = grouped_patches(texts, patches, threshold=1.0 / patches.shape[1])
        scale = jnp.exp(self.logit_scale[...])
        cosines = jnp.einsum("bgd,btd->bgt", grouped, texts)
        # A caption shown twice is a column twice: that adds a constant to the loss and tells nothing apart.
        number = texts.shape[1]
        loss = softmax(scale * cosines.reshape(-1, number), jnp.tile(jnp.eye(number), (len(texts), 1)))
        own = jnp.diagonal(cosines, axis1=1, axis2=2)
        metrics = {
            "logit_scale": scale,
            "accuracy": (own >= cosines.max(axis=2)).mean(dtype=jnp.float32),
            "positive_cosine": own.mean(),
            "negative_cosine": (cosines.sum() - own.sum()) / max(cosines.size - own.size, 1),
        }
        return ObjectiveOutput(loss, metrics)
