"""Images pooled by each text that they are compared with: FLAIR."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from vlp.encodings import Encodings
from vlp.kernels.loss import Loss
from vlp.kernels.unit import unit
from vlp.models.dual_encoder import DualEncoder
from vlp.models.flops import mlp_flops
from vlp.models.micro_batch import micro_batched
from vlp.models.text_pooling import TextConditionedPool
from vlp.models.text_queries import some_texts_at_a_time
from vlp.objectives.base import Objective, ObjectiveOutput
from vlp.objectives.regions import grid_side, patch_features
from vlp.parallel.contrastive import chunked_sigmoid


class TextPooled(nnx.Module):
    """Scores a text by the image that it pools for itself."""

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs):
        """Builds the attention.

        Args:
          config: `heads`, `scale`, `bias`, `chunk` and `image_view` of the objective.
          model: for its widths.
          rngs: where initial values come from.
        """
        self.pool = TextConditionedPool(model.embed_dim, config.heads, compute=model.compute, rngs=rngs)
        bounds = (-math.inf, math.log(100.0))
        self.log_scale = nnx.Param(jnp.float32(math.log(config.scale)), bounds=bounds)
        self.bias = nnx.Param(jnp.float32(config.bias))
        self.chunk, self.image_view = config.chunk, config.image_view

    def logits(
        self, tokens: Float[Array, "batch tokens width"], texts: Float[Array, "rows texts width"]
    ) -> Float[Array, "batch texts"]:
        """Returns the log-odds that images and texts belong together.

        Args:
          tokens: of images.
          texts: each image's own, or one row of them for all.
        """
        cosines = (unit(self.pool(texts, tokens)) * unit(texts)).sum(axis=-1)
        return jnp.exp(self.log_scale[...]) * cosines + self.bias[...]

    def score(self, encodings: Encodings, texts: str) -> Float[Array, "batch labels"]:
        """Returns the log-odds of the labels of the constant texts `texts`."""
        tokens, labels = patch_features(encodings, self.image_view), encodings.label_texts(texts)[None]
        return some_texts_at_a_time(lambda some: self.logits(tokens, some), labels, self.chunk)


class TextPooling(Objective):
    """Sigmoid contrast of images, each pooled by the text it is compared with, and that of the images as a whole.

    FLAIR (arXiv 2412.03561, section 3; its public code): an image meets its own captions and one of every other
    image, drawn once for all of them.
    """

    parts = ("scorer",)

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs):
        """Builds the scorer.

        Args:
          config: `objectives.text_pooling`; see configs/settings.
          model: for its widths.
          rngs: initial values.
        """
        self.scorer = TextPooled(config, model=model, rngs=rngs)
        self.image_view, self.text_view = config.image_view, config.text_view
        self.global_weight = config.global_weight
        self.fields = (self.image_view, self.text_view, f"{self.text_view}_mask")
        self.patches = grid_side(model.image) ** 2
        self.projection_flops = self.patches * mlp_flops((model.image.width, model.embed_dim))

    def flops(self) -> float:
        """Counts the patches' projection, their keys and values for the image's own captions and again for the others',
        and what the caption asks with that others meet."""
        pool = self.scorer.pool
        return float(self.projection_flops + 2 * pool.flops(self.patches) + pool.text_flops())

    def view_flops(self) -> dict[str, float]:
        """Counts a caption's look at its own image."""
        pool = self.scorer.pool
        return {self.text_view: float(pool.text_flops() + pool.pair_flops(self.patches))}

    def pair_flops(self) -> float:
        """Counts a caption's look at any image."""
        return float(self.scorer.pool.pair_flops(self.patches))

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """Returns the mean of both contrasts, or the first alone."""
        tokens, texts = patch_features(encodings, self.image_view), encodings.text_features(self.text_view)
        batch, captions = texts.shape[:2]
        pick = jax.random.randint(encodings.key(self.text_view), (batch,), 0, captions)
        shared = jnp.take_along_axis(texts, pick[:, None, None], axis=1)[:, 0]

        def of_images(tokens: Array, texts: Array, places: Array) -> tuple[Array, Array]:
            own, others = self.scorer.logits(tokens, texts), self.scorer.logits(tokens, shared[None])
            away = places[:, None] != jnp.arange(batch)
            best = jnp.where(away, others, -jnp.inf).max(axis=1)
            return conditioned(own, others, away), own.max(axis=1) >= best

        losses, hits = micro_batched(of_images, self.scorer.chunk, tokens, texts, jnp.arange(batch))
        loss = losses.sum() / (captions + batch - 1)
        metrics = {"pooled": loss, "accuracy": hits.mean(dtype=jnp.float32)}
        if self.global_weight:
            metrics["whole"] = whole = self._whole(encodings.image(self.image_view), texts)
            loss = (loss + self.global_weight * whole) / (1.0 + self.global_weight)
        return ObjectiveOutput(Loss(loss, jnp.ones_like(loss)), metrics)

    def _whole(
        self, images: Float[Array, "batch dim"], texts: Float[Array, "batch captions dim"]
    ) -> Float[Array, ""]:
        """Whole images against all captions, in the mean over these."""
        batch, captions = texts.shape[:2]
        places = jnp.arange(batch)[:, None]
        contrast = chunked_sigmoid(
            images,
            unit(texts.reshape(batch * captions, -1)),
            jnp.exp(self.scorer.log_scale[...]),
            self.scorer.bias[...],
            chunk=self.scorer.chunk or batch,
            ids=(places, jnp.repeat(places, captions, axis=0)),
        )
        return contrast.columns.mean()


def conditioned(
    own: Float[Array, "rows captions"],
    others: Float[Array, "rows batch"],
    away: Bool[Array, "rows batch"],
) -> Float[Array, " rows"]:
    """Returns each image's sum over its own captions, and over one of each other image.

    Args:
      own: log-odds of its captions.
      others: of one caption of each image of the batch.
      away: which of these images are others.
    """
    denied = jnp.where(away, signed(others, jnp.zeros(others.shape, bool)), 0.0)
    return signed(own, jnp.ones(own.shape, bool)).sum(axis=1) + denied.sum(axis=1)


def signed(
    scores: Float[Array, "rows columns"], yes: Bool[Array, "rows columns"]
) -> Float[Array, "rows columns"]:
    """Returns -log sigmoid of a score that should be yes, or of its negative."""
    return -jax.nn.log_sigmoid(jnp.where(yes, scores, -scores))
