"""Tags asked of an image's patches by what describes them: RAM++."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from vlp.encodings import Encodings
from vlp.given import Context
from vlp.kernels.loss import Loss
from vlp.kernels.sigmoid import asymmetric_sigmoid
from vlp.kernels.unit import unit
from vlp.models.compute import Compute
from vlp.models.dual_encoder import DualEncoder
from vlp.models.flops import mlp_flops
from vlp.models.label_rows import LabelRows
from vlp.models.micro_batch import micro_batched
from vlp.models.shared import for_all
from vlp.models.sizes import TowerSize, tower_size
from vlp.models.text_queries import TextQueryDecoder
from vlp.objectives.base import Objective, ObjectiveOutput
from vlp.objectives.regions import rows_of_labels, tokens_asked
from vlp.objectives.rows import each_row

# Settings of the asymmetric loss for tags and for captions: ram_plus.py of the authors.
TAGS: dict[str, Any] = {"positive_focus": 0.0, "negative_focus": 7.0, "clip": 0.05, "focus_gradient": False}
CAPTIONS: dict[str, Any] = {
    "positive_focus": 0.0,
    "negative_focus": 4.0,
    "clip": 0.05,
    "focus_gradient": False,
}


class DescribedTags(nnx.Module):
    """Scores any labels by their descriptions, of which each image chooses those that fit it (arXiv 2310.15200, section
    3.2), put to its patches by a decoder."""

    def __init__(self, size: TowerSize, config: Any, *, embed_dim: int, compute: Compute, rngs: nnx.Rngs):
        """Builds the decoder.

        Args:
          size: of the queries.
          config: `scale`, `most`, `chunk` and `image_view` of the objective.
          embed_dim: of the joint space.
          compute: dtype, scan and remat.
          rngs: where initial values come from.
        """
        bounds = (-math.inf, math.log(100.0))
        self.log_scale = nnx.Param(jnp.float32(math.log(config.scale)), bounds=bounds)
        self.decoder = TextQueryDecoder(
            size, text_width=embed_dim, memory_width=embed_dim, compute=compute, rngs=rngs
        )
        self.most, self.chunk, self.image_view = config.most, config.chunk, config.image_view

    def score(self, encodings: Encodings, texts: str) -> Float[Array, "batch labels"]:
        """Returns the log-odds that images have the labels of the constant texts `texts`."""
        memory = tokens_asked(encodings, self.image_view)
        rows = mixed(memory[:, 0], rows_of_labels(encodings, texts, self.most), self.log_scale[...])
        return self.decoder.every(self.decoder.queries(rows), memory, self.chunk)

    def captions(
        self, encodings: Encodings, rows: Float[Array, "batch embed_dim"]
    ) -> tuple[Float[Array, " batch"], Bool[Array, " batch"]]:
        """Asks every image whether it is what each of these texts says, `chunk` images at a time.

        Returns:
          Each image's loss over all texts, and whether its own is the likeliest.
        """
        queries = self.decoder.queries(rows)[None]

        def of_images(memory: Array, places: Array) -> tuple[Array, Array]:
            asking = for_all(queries, (len(memory), *queries.shape[1:]), queries.dtype)
            scores = self.decoder(asking, memory)
            losses = each_row(asymmetric_sigmoid, scores, jax.nn.one_hot(places, len(rows)), **CAPTIONS)
            return losses.total, scores.argmax(axis=1) == places

        memory = tokens_asked(encodings, self.image_view)
        return micro_batched(of_images, self.chunk, memory, jnp.arange(len(rows)))


def mixed(
    images: Float[Array, "batch dim"], descriptions: LabelRows, log_scale: Float[Array, ""]
) -> Float[Array, "batch labels dim"]:
    """Returns, for each image and label, the mean of the label's descriptions, weighed by how they fit the image."""
    fit = jnp.exp(log_scale) * jnp.einsum("bd,cmd->bcm", unit(images), descriptions.rows)
    weights = jax.nn.softmax(jnp.where(descriptions.there, fit, jnp.finfo(fit.dtype).min), axis=2)
    return jnp.einsum("bcm,cmd->bcd", weights, descriptions.rows)


class DescribedTagging(Objective):
    """Tags by their descriptions and captions by themselves, asked by one decoder; the image's own features stay near
    stored ones.

    RAM++ (arXiv 2310.15200): the two asymmetric losses are sums over all cells of the batch, as the authors' are, and
    the distance from stored features is a mean. Descriptions come from the model's own text tower, which the paper
    holds.
    """

    parts = ("scorer",)

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs, context: Context):
        """Builds the scorer.

        Args:
          config: `objectives.described_tags`; see configs/settings.
          model: for its widths.
          rngs: initial values.
          context: how many labels and texts there are.
        """
        self.number = context.asked_and_answered(config.texts, config.labels)
        self.scorer = DescribedTags(
            tower_size(config), config, embed_dim=model.embed_dim, compute=model.compute, rngs=rngs
        )
        self.caption_weight, self.stored = config.caption_weight, config.stored
        self.image_view, self.labels, self.texts = config.image_view, config.labels, config.texts
        captions = ("text", "text_mask") if config.caption_weight else ()
        self.raw = (self.labels, *([self.stored] if self.stored else []))
        self.fields, self.constants = (self.image_view, *captions, *self.raw), (self.texts,)
        self.patches = model.image.side**2 + 1
        fit = 2 * self.number * config.most * mlp_flops((model.embed_dim, 1))
        self.asked_flops = (self.patches - 1) * mlp_flops((model.image.width, model.embed_dim)) + fit

    def flops(self) -> float:
        """Counts the patches' projection, what an image makes of all descriptions, and the decoder's answers to all
        labels, each of which asks each image in words of its own."""
        decoder = self.scorer.decoder
        flops = decoder.flops(self.number, self.patches) + self.number * decoder.query_flops()
        flops += self.asked_flops
        if self.caption_weight:  # what a caption asks with, and what is made of the image for all of them
            flops += decoder.query_flops() + decoder.flops(0, self.patches)
        return float(flops)

    def pair_flops(self) -> float:
        """Counts the decoder's answer to a caption."""
        decoder = self.scorer.decoder
        once = decoder.flops(0, self.patches)
        return float(decoder.flops(1, self.patches) - once if self.caption_weight else 0)

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """Returns the sum over the batch: its scale is the batch's, as the authors' is."""
        states = encodings.batch[self.labels]
        scores, yes = self.scorer.score(encodings, self.texts), (states > 0).astype(jnp.float32)
        losses = {"tags": asymmetric_sigmoid(scores, yes, mask=states >= 0, **TAGS).total}
        found = ((scores > 0) & (states > 0)).sum() / jnp.maximum((states > 0).sum(), 1)
        metrics = {"found": found}
        total = losses["tags"]
        if self.caption_weight:
            each, hits = self.scorer.captions(encodings, encodings.text())
            losses["captions"], metrics["accuracy"] = each.sum(), hits.mean()
            total += self.caption_weight * losses["captions"]
        if self.stored:
            apart = encodings.image_features(self.image_view).astype(jnp.float32)
            losses["stored"] = jnp.abs(apart - encodings.batch[self.stored]).mean()
            total += losses["stored"]
        return ObjectiveOutput(Loss(total, jnp.ones_like(total)), metrics | losses)
