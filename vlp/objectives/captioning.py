"""Captioning: tokens of a text are predicted from the image's patches, and from those before them or all at once."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from vlp.encodings import Encodings
from vlp.given import Context, text_arrays
from vlp.kernels.loss import Loss
from vlp.kernels.next_token import TokenFit, token_fit
from vlp.models.compute import Compute
from vlp.models.dual_encoder import DualEncoder
from vlp.models.flops import mlp_flops
from vlp.models.sizes import tower_size
from vlp.models.text_decoder import TextDecoder
from vlp.models.vision import kept_patches
from vlp.objectives.base import Objective, ObjectiveOutput
from vlp.objectives.regions import grid_side


class Predicted(NamedTuple):
    """Holds how well the tokens of texts are predicted, and which of them are real."""

    fit: TokenFit
    real: Bool[Array, "batch tokens"]

    def totals(self) -> tuple[Float[Array, " batch"], Float[Array, " batch"]]:
        """Returns each text's log-likelihood, and how many tokens it has."""
        return jnp.where(self.real, self.fit.likelihoods, 0.0).sum(axis=1), self.real.sum(
            axis=1, dtype=jnp.float32
        )


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
          config: `size`, or `width`, `depth`, `heads` and `mlp_dim`; `start`, `parallel` and `chunk`.
          memory_width: of the image tower's tokens.
          context: the vocabulary and the length of texts.
          image_view: batch field of images.
          compute: dtype, scan and remat.
          rngs: of initial values.
        """
        self.image_view, self.chunk = image_view, config.chunk
        self.at_once = config.parallel == 1.0  # it never learned to see what it has written
        self.decoder = TextDecoder(
            tower_size(config),
            vocabulary_size=context.vocabulary_size,
            length=context.length,
            memory_width=memory_width,
            start=config.start,
            parallel=config.parallel > 0,
            compute=compute,
            rngs=rngs,
        )

    def predicted(
        self,
        ids: Int[Array, "batch length"],
        mask: Bool[Array, "batch length"],
        memory: Float[Array, "batch patches width"],
        parallel: Bool[Array, " batch"] | None = None,
    ) -> Predicted:
        """Returns how well each token is predicted: all but the first, or all of a decoder that has a start.

        Args:
          ids: texts.
          mask: which tokens are real.
          memory: what they are about.
          parallel: texts of which no token is seen; None = none, or all where the decoder has learned nothing else.
        """
        if parallel is None and self.at_once:
            parallel = jnp.ones(len(ids), bool)
        outputs = self.decoder.outputs(ids[:, :-1], memory, parallel=parallel)
        first = ids.shape[1] - outputs.shape[1]
        fit = token_fit(self.decoder.scores, outputs, ids[:, first:], chunk=self.chunk)
        return Predicted(fit, mask[:, first:])

    def score(self, encodings: Encodings, texts: str) -> Float[Array, "batch texts"]:
        """Scores images by the log-likelihood of each constant text, a token at the mean."""
        arrays, memory = text_arrays(encodings.batch, texts), encodings.image_tower(self.image_view).tokens

        def one_text(ids: Int[Array, " length"], mask: Bool[Array, " length"]) -> Float[Array, " batch"]:
            rows = len(memory)
            repeated = jnp.broadcast_to(ids, (rows, len(ids))), jnp.broadcast_to(mask, (rows, len(mask)))
            total, tokens = self.predicted(*repeated, memory).totals()
            return total / tokens

        return jax.lax.map(lambda text: one_text(*text), (arrays["ids"], arrays["mask"])).T

    def likelihoods(
        self, encodings: Encodings, ids: Int[Array, "batch length"], mask: Bool[Array, "batch length"]
    ) -> Float[Array, "batch 2"]:
        """Returns the log-likelihood of each image's own text, and of how many tokens it is the sum."""
        return jnp.stack(
            self.predicted(ids, mask, encodings.image_tower(self.image_view).tokens).totals(), axis=1
        )

    def write(
        self, encodings: Encodings, *, begin: int, end: int, pad: int, beams: int = 1
    ) -> Int[Array, "batch length"]:
        """Writes a text for each image: the likeliest token at a time, by several beams, or all at once."""
        memory = encodings.image_tower(self.image_view).tokens
        if self.at_once:
            return self.decoder.write_at_once(memory, begin=begin, end=end, pad=pad)
        return self.decoder.write(memory, begin=begin, end=end, pad=pad, beams=beams)


class Captioning(Objective):
    """A decoder on the patches of the image tower, beside a contrast or alone.

    CoCa (arXiv 2205.01917, equation 5) with a decoder of its own rather than half of the text tower; alone, as in Cap
    (2306.07915) and OpenVision 2 (2509.01644), the text tower is read by nothing and not built. `parallel` is the share
    of texts whose tokens are predicted all at once, from the image alone (Cappa, section 3.1 of 2306.07915), and `seen`
    that of patches which the decoder sees (OpenVision 2).
    """

    parts = ("writer",)

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs, context: Context):
        """Builds the decoder.

        Args:
          config: `image_view`, `text_view`, and what `Writer` reads.
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
        self.context = (context.length, context.vocabulary_size)
        self.patches = round(config.seen * grid_side(model.image) ** 2)
        self.parallel, self.seen = config.parallel, config.seen
        self.image_view, self.text_view = config.image_view, config.text_view
        self.raw = (self.text_view, f"{self.text_view}_mask")
        self.fields = (self.image_view, *self.raw)

    def flops(self) -> float:
        """Counts the decoder of all places of a text, and the scores of their vocabulary."""
        decoder, (length, vocabulary) = self.writer.decoder, self.context
        places = length - (decoder.start is None)  # the first token is given
        blocks = decoder.decoder.flops(places, self.patches)
        return float(blocks + places * mlp_flops((decoder.decoder.size.width, vocabulary)))

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """Returns the mean over the tokens that are predicted."""
        ids, mask = (encodings.batch[name] for name in self.raw)
        memory, parallel = self._memory(encodings), None
        if 0 < self.parallel < 1:
            key = encodings.key(f"{self.text_view}/parallel")
            parallel = jax.random.bernoulli(key, self.parallel, (len(ids),))
        fit, real = self.writer.predicted(ids, mask, memory, parallel)
        tokens = real.sum(dtype=jnp.float32)
        loss = Loss(-jnp.where(real, fit.likelihoods, 0.0).sum(), tokens)
        return ObjectiveOutput(loss, {"accuracy": (fit.hits & real).sum() / jnp.maximum(tokens, 1.0)})

    def _memory(self, encodings: Encodings) -> Float[Array, "batch patches width"]:
        """The patches that the decoder sees."""
        tokens = encodings.image_tower(self.image_view).tokens
        if self.seen == 1:
            return tokens
        batch, patches, _ = tokens.shape
        kept = kept_patches(encodings.key(f"{self.image_view}/seen"), batch, patches, 1 - self.seen)
        return jnp.take_along_axis(tokens, kept[..., None], axis=1)
