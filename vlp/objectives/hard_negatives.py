"""Contrast of images and texts where each image has texts of its own that are wrong by a little: DesCo, NegCLIP."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from vlp.encodings import Encodings
from vlp.kernels import KERNELS
from vlp.kernels.directions import mix
from vlp.kernels.loss import Loss
from vlp.models.dual_encoder import DualEncoder
from vlp.objectives.base import Objective, ObjectiveOutput
from vlp.objectives.contrastive import match_metrics
from vlp.objectives.scorers import Scores
from vlp.objectives.targets import TARGETS, same_id


class HardNegatives(Objective):
    """CLIP's contrast with more columns: an image's foils as its own, or those of the batch as everybody's.

    DesCo (arXiv 2306.14060) asks for a description among those of what is easily mistaken for it, NegCLIP (2210.01936,
    section 4.1) adds captions of swapped words to the columns of all images. Texts find images as in CLIP. A foil that
    is the text itself, where no other could be made, takes no part. The score matrix is whole.
    """

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs):
        """Takes its settings.

        Args:
          config: `objectives.hard_negatives`; see configs/settings.
          model: unused, as is `rngs`: it learns nothing of its own.
          rngs: unused.
        """
        del model, rngs
        self.direction, self.columns, self.field = config.direction, config.columns, TARGETS[config.targets]
        self.image_view, self.foils = config.image_view, config.foils
        texts = ("text", "text_mask", self.foils, f"{self.foils}_mask")
        self.fields = (self.image_view, *texts, *([self.field] if self.field else []))

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """Returns the weighted mean of both directions."""
        batch = encodings.batch
        there = (batch[self.foils] != batch["text"][:, None]).any(axis=-1)
        images, scale = encodings.image(self.image_view), encodings.logit_scale()
        scores = Scores(images, encodings.text(), scale, jnp.float32(0.0))
        ids = batch[self.field] if self.field else jnp.arange(len(images))
        loss, metrics = self.compare(scores, encodings.text(self.foils), there, ids)
        return ObjectiveOutput(loss, {"logit_scale": scale, **metrics})

    def compare(
        self,
        scores: Scores,
        foils: Float[Array, "batch count dim"],
        there: Bool[Array, "batch count"],
        ids: Int[Array, " batch *words"],
    ) -> tuple[Loss, dict[str, Float[Array, ""]]]:
        """Computes the loss and its metrics.

        Args:
          scores: of images and their texts.
          foils: unit rows of each image's wrong texts.
          there: which of these take part.
          ids: equal where an image and a text match.
        """
        targets, logits, batch = same_id(ids, ids), scores.logits(), len(foils)
        own = jnp.einsum("id,ikd->ik", scores.rows, foils)
        if self.columns == "own":
            more, counts = own, there
        else:
            more = scores.rows @ foils.reshape(-1, foils.shape[-1]).T
            counts = jnp.broadcast_to(there.reshape(-1), more.shape)
        wide = jnp.concatenate([logits, scores.scale * more], axis=1)
        wanted = jnp.pad(targets, ((0, 0), (0, more.shape[1])))
        mask = jnp.concatenate([jnp.ones((batch, batch), bool), counts], axis=1)
        of_images = KERNELS["softmax"](wide, wanted, mask=mask)
        loss = mix(of_images, KERNELS["softmax"](logits.T, targets.T), self.direction)
        pairs = (scores.rows * scores.columns).sum(axis=1, keepdims=True)
        told = jax.lax.stop_gradient((own < pairs) & there).sum() / jnp.maximum(there.sum(), 1)
        foiled = {"foils_told": told, "foils": there.mean(dtype=jnp.float32)}
        return loss, {**match_metrics(scores, targets), **foiled}
