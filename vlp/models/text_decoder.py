"""A decoder of texts: it predicts each token from those before it, or all of them at once, and can write."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from vlp.models.compute import Compute
from vlp.models.decoder import Decoder
from vlp.models.decoding import Frame, beam_search, greedy
from vlp.models.linear import linear
from vlp.models.positions import LearnedPosition
from vlp.models.shared import Embedding, for_all
from vlp.models.sizes import TowerSize


class TextDecoder(nnx.Module):
    """Predicts the tokens of a text from those before them and from a memory (captioning, CoCa, arXiv 2205.01917)."""

    def __init__(
        self,
        size: TowerSize,
        *,
        vocabulary_size: int,
        length: int,
        memory_width: int = 0,
        start: bool = False,
        parallel: bool = False,
        compute: Compute,
        rngs: nnx.Rngs,
    ):
        """Builds embeddings, blocks and the layer of scores.

        Args:
          size: of the tokens.
          vocabulary_size: of the tokenizer.
          length: tokens that a text has at most.
          memory_width: of the tokens attended to, such as an image's patches; 0 = none.
          start: whether the first token is predicted, too, from a learned vector before it; of texts that begin with a
            token that says so there is nothing to predict.
          parallel: whether texts may be predicted all at once, from a learned vector in the place of each token.
          compute: dtype, scan and remat.
          rngs: where initial values come from.
        """
        self.length, self.compute = length, compute
        options: dict[str, Any] = {"compute": compute, "rngs": rngs}
        init = nnx.initializers.normal(0.02)
        self.embedding = Embedding(
            vocabulary_size, size.width, embedding_init=init, dtype=compute.dtype, rngs=rngs
        )
        self.position = LearnedPosition(length, size.width, 0.01, rngs=rngs)
        self.decoder = Decoder(size, memory_width=memory_width, causal=True, **options)
        self.scores = linear(size.width, vocabulary_size, std=size.width**-0.5, **options)
        self.start, self.mask_token = (
            nnx.Param(init(rngs.params(), (size.width,))) if asked else None for asked in (start, parallel)
        )

    def outputs(
        self,
        ids: Int[Array, "batch tokens"],
        memory: Float[Array, "batch others memory_width"] | None = None,
        *,
        parallel: Bool[Array, " batch"] | None = None,
        memory_lengths: Int[Array, " batch"] | None = None,
    ) -> Float[Array, "batch places width"]:
        """Returns what `scores` makes into scores of what follows: each token, and before them the start, if any.

        Args:
          ids: texts, at most `length` tokens of each with the start.
          memory: what they are about.
          parallel: texts of which no token is seen, and every place sees every other (arXiv 2306.07915, section 3.1).
          memory_lengths: how many leading tokens of each memory are real; None = all.
        """
        x = self.embedding(ids)
        if self.start is not None:
            start = for_all(self.start, (len(x), 1, x.shape[2]), x.dtype)
            x = jnp.concatenate([start, x], axis=1)
        if parallel is not None and self.mask_token is not None:
            x = jnp.where(parallel[:, None, None], for_all(self.mask_token, x.shape, x.dtype), x)
        x = x + for_all(self.position()[: x.shape[1]], x.shape, self.compute.dtype)
        return self.decoder(x, memory, memory_lengths=memory_lengths, free=parallel)

    def __call__(
        self,
        ids: Int[Array, "batch tokens"],
        memory: Float[Array, "batch others memory_width"] | None = None,
        *,
        memory_lengths: Int[Array, " batch"] | None = None,
    ) -> Float[Array, "batch places vocabulary"]:
        """Returns scores of what follows, in float32; the arguments are those of `outputs`."""
        return self.scores(self.outputs(ids, memory, memory_lengths=memory_lengths)).astype(jnp.float32)

    def write(
        self,
        memory: Float[Array, "batch others memory_width"],
        *,
        begin: int,
        end: int,
        pad: int = 0,
        beams: int = 1,
        memory_lengths: Int[Array, " batch"] | None = None,
    ) -> Int[Array, "batch length"]:
        """Writes a text for each memory; every token is scored anew for each.

        Args:
          memory: what the texts are about.
          begin: the token they begin with, where they do not begin with the start.
          end: the token they end with.
          pad: what stands behind the end.
          beams: texts that are kept at a time; 1 = the likeliest token is taken each time.
          memory_lengths: how many leading tokens of each memory are real; None = all.
        """
        frame = Frame(self.length, begin if self.start is None else None, end, pad)
        repeated = jnp.repeat(memory, beams, axis=0)
        lengths = None if memory_lengths is None else jnp.repeat(memory_lengths, beams, axis=0)

        def score_next(ids: Array, place: Array) -> Float[Array, "rows vocabulary"]:
            outputs = self.outputs(ids[:, :-1], repeated, memory_lengths=lengths)
            return self.scores(outputs[:, place - frame.first])

        if beams == 1:
            return greedy(score_next, frame, len(memory))
        return beam_search(score_next, frame, len(memory), beams)

    def write_at_once(
        self, memory: Float[Array, "batch others memory_width"], *, begin: int, end: int, pad: int = 0
    ) -> Int[Array, "batch length"]:
        """Writes the likeliest token at every place, without a look at the others."""
        frame = Frame(self.length, begin if self.start is None else None, end, pad)
        blank, rows = frame.empty(len(memory)), jnp.ones(len(memory), bool)
        outputs = self.outputs(blank[:, :-1], memory, parallel=rows)
        best = self.scores(outputs).argmax(axis=-1).astype(jnp.int32)
        ended = jnp.cumsum(best == end, axis=1) - (best == end) > 0
        return blank.at[:, frame.first :].set(jnp.where(ended, pad, best))
