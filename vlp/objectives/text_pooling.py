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
from vlp.models.text_pooling import TextConditionedPool
from vlp.objectives.base import Objective, ObjectiveOutput
from vlp.objectives.regions import patch_features


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
        """Returns the log-odds that images and texts belong together, `chunk` texts at a time.

        Args:
          tokens: of images.
          texts: each image's own, or one row of them for all.
        """
        count = texts.shape[1]
        each = min(self.chunk or count, count)
        pieces = -(-count // each)
        padded = jnp.pad(texts, ((0, 0), (0, pieces * each - count), (0, 0)))

        @jax.checkpoint
        def piece(own: Float[Array, "rows chunk width"]) -> Float[Array, "batch chunk"]:
            cosines = (unit(self.pool(own, tokens)) * unit(own)).sum(axis=-1)
            return jnp.exp(self.log_scale[...]) * cosines + self.bias[...]

        if pieces == 1:
            return piece(texts)
        split = padded.reshape(len(texts), pieces, each, -1).swapaxes(0, 1)
        return jax.lax.map(piece, split).swapaxes(0, 1).reshape(len(tokens), -1)[:, :count]

    def score(self, encodings: Encodings, texts: str) -> Float[Array, "batch labels"]:
        """Returns the log-odds of the labels of the constant texts `texts`."""
        return self.logits(patch_features(encodings, self.image_view), encodings.label_texts(texts)[None])


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

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """Returns the mean of both contrasts, or the first alone."""
        tokens, texts = patch_features(encodings, self.image_view), encodings.text_features(self.text_view)
        batch, captions = texts.shape[:2]
        pick = jax.random.randint(encodings.key(self.text_view), (batch,), 0, captions)
        shared = jnp.take_along_axis(texts, pick[:, None, None], axis=1)[:, 0]
        own = self.scorer.logits(tokens, texts)
        others = self.scorer.logits(tokens, shared[None])
        loss = conditioned(own, others) / (captions + batch - 1)
        own_hits = own.max(axis=1) >= jnp.where(jnp.eye(batch, dtype=bool), -jnp.inf, others).max(axis=1)
        metrics = {"pooled": loss, "accuracy": own_hits.mean(dtype=jnp.float32)}
        if self.global_weight:
            flat = unit(texts.reshape(batch * captions, -1))
            scores = jnp.exp(self.scorer.log_scale[...]) * (encodings.image(self.image_view) @ flat.T)
            yes = jnp.repeat(jnp.eye(batch, dtype=bool), captions, axis=1)
            whole = signed(scores + self.scorer.bias[...], yes).sum() / (batch * captions)
            metrics["whole"] = whole
            loss = (loss + self.global_weight * whole) / (1.0 + self.global_weight)
        return ObjectiveOutput(Loss(loss, jnp.ones_like(loss)), metrics)


def conditioned(own: Float[Array, "batch captions"], others: Float[Array, "batch batch"]) -> Float[Array, ""]:
    """Returns the sum over an image's own captions, and over one of each other image."""
    batch = len(others)
    away = jnp.where(jnp.eye(batch, dtype=bool), 0.0, signed(others, jnp.zeros((batch, batch), bool)))
    return signed(own, jnp.ones(own.shape, bool)).sum() + away.sum()


def signed(
    scores: Float[Array, "rows columns"], yes: Bool[Array, "rows columns"]
) -> Float[Array, "rows columns"]:
    """Returns -log sigmoid of a score that should be yes, or of its negative."""
    return -jax.nn.log_sigmoid(jnp.where(yes, scores, -scores))
