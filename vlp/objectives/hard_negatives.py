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
from vlp.models.micro_batch import micro_batched
from vlp.objectives.base import Objective, ObjectiveOutput
from vlp.objectives.rows import Watched, each_row, summed, watch
from vlp.objectives.scorers import Scores
from vlp.objectives.targets import TARGETS, same_id


class HardNegatives(Objective):
    """CLIP's contrast with more columns: an image's foils as its own, or those of the batch as everybody's.

    DesCo (arXiv 2306.14060) asks for a description among those of what is easily mistaken for it, NegCLIP (2210.01936,
    section 4.1) adds captions of swapped words to the columns of all images. Texts find images as in CLIP. A foil that
    is the text itself, where no other could be made, takes no part. With a `chunk` as many rows of scores exist at
    a time.
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
        self.image_view, self.foils, self.chunk = config.image_view, config.foils, config.chunk
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
        images, scale, flat = scores.rows, scores.scale, foils.reshape(-1, foils.shape[-1])

        def of_images(
            rows: Array, pairs: Array, foils: Array, there: Array, own_ids: Array
        ) -> tuple[Loss, Watched, Array]:
            cosines, targets = rows @ scores.columns.T, same_id(own_ids, ids)
            own = jnp.einsum("id,ikd->ik", rows, foils)
            more, counts = (own, there) if self.columns == "own" else (rows @ flat.T, everybody)
            counts = jnp.broadcast_to(counts, more.shape)
            wide = jnp.concatenate([cosines, more], axis=1)
            wanted = jnp.pad(targets, ((0, 0), (0, more.shape[1])))
            mask = jnp.concatenate([jnp.ones_like(cosines, bool), counts], axis=1)
            loss = each_row(KERNELS["softmax"], scale * wide + scores.bias, wanted, mask)
            return loss, watch(cosines, targets), (own < (rows * pairs).sum(axis=1, keepdims=True)) & there

        def of_texts(rows: Array, own_ids: Array) -> Loss:
            return each_row(KERNELS["softmax"], scale * rows @ images.T + scores.bias, same_id(own_ids, ids))

        everybody = there.reshape(-1)
        forth, seen, told = micro_batched(of_images, self.chunk, images, scores.columns, foils, there, ids)
        back = micro_batched(of_texts, self.chunk, scores.columns, ids)
        loss = mix(summed(forth), summed(back), self.direction)
        foiled = {
            "foils_told": jax.lax.stop_gradient(told).sum() / jnp.maximum(there.sum(), 1),
            "foils": there.mean(dtype=jnp.float32),
        }
        return loss, {**seen.metrics(), **foiled}
