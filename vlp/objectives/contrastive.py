"""Contrast of images and texts within the batch (CLIP, arXiv 2103.00020, section 2.3)."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from vlp.encodings import Encodings
from vlp.kernels import KERNELS
from vlp.models.dual_encoder import DualEncoder
from vlp.objectives.base import Objective, ObjectiveOutput
from vlp.objectives.scorers import Scores
from vlp.objectives.targets import TARGETS, same_id


class Contrastive(Objective):
    """Cosine scores of image rows against text columns, read in both directions."""

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs):
        """Takes its settings.

        Args:
          config: `objectives.contrastive`: `kernel` and `targets` (names), `direction` (share of image-to-text in the
            loss; CLIP 0.5, ConVIRT 0.75), `label_smoothing`.
          model: unused, as is `rngs`: it learns nothing of its own.
          rngs: unused.
        """
        del model, rngs
        self.fields = ("image", "text", "text_mask")
        self.kernel, self.targets = config.kernel, config.targets
        self.direction, self.label_smoothing = config.direction, config.label_smoothing

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """The weighted mean of the image-to-text and the text-to-image loss."""
        scores = Scores(encodings.image(), encodings.text(), encodings.logit_scale())
        ids = TARGETS[self.targets](encodings.batch)
        cosines, targets = scores.cosines(), same_id(ids, ids)
        logits = scores.scale * cosines
        kernel = functools.partial(KERNELS[self.kernel], label_smoothing=self.label_smoothing)
        image_to_text, text_to_image = kernel(logits, targets), kernel(logits.T, targets.T)
        loss = jax.tree.map(
            lambda a, b: self.direction * a + (1.0 - self.direction) * b, image_to_text, text_to_image
        )
        return ObjectiveOutput(loss, {"logit_scale": scores.scale, **match_metrics(cosines, targets)})


def match_metrics(
    cosines: Float[Array, "rows columns"], targets: Float[Array, "rows columns"]
) -> dict[str, Float[Array, ""]]:
    """What shows a healthy contrast or a collapse: accuracy in the batch, mean cosine of positives and negatives."""
    cosines = jax.lax.stop_gradient(cosines)
    hits = jnp.take_along_axis(targets, cosines.argmax(axis=1)[:, None], axis=1) > 0
    positives, total = targets.sum(), cosines.size
    positive_sum = (cosines * targets).sum()
    return {
        "accuracy": hits.mean(dtype=jnp.float32),
        "positive_cosine": positive_sum / positives,
        "negative_cosine": (cosines.sum() - positive_sum) / jnp.maximum(total - positives, 1.0),
    }
