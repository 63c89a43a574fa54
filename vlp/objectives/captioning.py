"""Captioning: the tokens of a text are predicted from those before them and from the image's patches."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from vlp.encodings import Encodings
from vlp.given import Context, text_arrays
from vlp.kernels.loss import Loss
from vlp.models.compute import Compute
from vlp.models.decoder import TextDecoder
from vlp.models.dual_encoder import DualEncoder
from vlp.models.sizes import tower_size
from vlp.objectives.base import Objective, ObjectiveOutput


class Writer(nnx.Module):
    """A decoder that looks at the patches of an image: it writes texts, and says how likely given ones are."""

    def __init__(
        self,
        config: Any,
        *,
        memory_width: int,
        context: Context,
        image_view: str,
        compute: Compute,
        rngs: nnx.Rngs,
    ):
        """Builds the decoder.

        Args:
          config: `size`, or `width`, `depth`, `heads` and `mlp_dim`.
          memory_width: of the image tower's tokens.
          context: the vocabulary and the length of texts.
          image_view: batch field of images.
          compute: dtype, scan and remat.
          rngs: of initial values.
        """
        self.image_view = image_view
        self.decoder = TextDecoder(
            tower_size(config),
            vocabulary_size=context.vocabulary_size,
            length=context.length,
            memory_width=memory_width,
            compute=compute,
            rngs=rngs,
        )

    def log_likelihoods(
        self,
        ids: Int[Array, "batch length"],
        mask: Bool[Array, "batch length"],
        memory: Float[Array, "batch patches width"],
    ) -> tuple[Float[Array, "batch next"], Bool[Array, "batch next"], Bool[Array, "batch next"]]:
        """Returns the log-likelihood of each token but the first, which of them are real, and which scored best."""
        scores = self.decoder(ids[:, :-1], memory)
        likelihoods = -optax.softmax_cross_entropy_with_integer_labels(scores, ids[:, 1:])
        return likelihoods, mask[:, 1:], scores.argmax(axis=-1) == ids[:, 1:]

    def score(self, encodings: Encodings, texts: str) -> Float[Array, "batch texts"]:
        """Scores images by the log-likelihood of each constant text, a token at the mean."""
        arrays, memory = text_arrays(encodings.batch, texts), encodings.image_tower(self.image_view).tokens

        def one_text(ids: Int[Array, " length"], mask: Bool[Array, " length"]) -> Float[Array, " batch"]:
            rows = len(memory)
            repeated = jnp.broadcast_to(ids, (rows, len(ids))), jnp.broadcast_to(mask, (rows, len(mask)))
            likelihoods, real, _ = self.log_likelihoods(*repeated, memory)
            return (likelihoods * real).sum(axis=1) / real.sum(axis=1)

        return jax.lax.map(lambda text: one_text(*text), (arrays["ids"], arrays["mask"])).T

    def write(self, encodings: Encodings, *, begin: int, end: int, pad: int) -> Int[Array, "batch length"]:
        """Writes a text for each image, the likeliest token at a time."""
        memory = encodings.image_tower(self.image_view).tokens
        return self.decoder.greedy(memory, begin=begin, end=end, pad=pad)


class Captioning(Objective):
    """An autoregressive decoder on the patches of the image tower, beside a contrast or alone.

    CoCa (arXiv 2205.01917, equation 5) with a decoder of its own rather than half of the text tower; alone, as in Cap
    (2306.07915) and OpenVision 2 (2509.01644), the text tower is read by nothing and not built.
    """

    parts = ("writer",)

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs, context: Context):
        """Builds the decoder.

        Args:
          config: `image_view`, `text_view`, and the decoder's `size`, or `width`, `depth`, `heads` and `mlp_dim`.
          model: for the width of its image tower.
          rngs: of the decoder's initial values.
          context: the vocabulary and the length of texts.
        """
        self.writer = Writer(
            config,
            memory_width=model.image.width,
            context=context,
            image_view=config.image_view,
            compute=model.compute,
            rngs=rngs,
        )
        self.image_view, self.text_view = config.image_view, config.text_view
        self.raw = (self.text_view, f"{self.text_view}_mask")
        self.fields = (self.image_view, *self.raw)

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """Returns the mean over the tokens that are predicted."""
        ids, mask = (encodings.batch[name] for name in self.raw)
        memory = encodings.image_tower(self.image_view).tokens
        likelihoods, real, best = self.writer.log_likelihoods(ids, mask, memory)
        tokens = real.sum(dtype=jnp.float32)
        loss = Loss(-(likelihoods * real).sum(), tokens)
        return ObjectiveOutput(loss, {"accuracy": (best & real).sum() / jnp.maximum(tokens, 1.0)})
