"""Texts that ask an image's patches: a decoder whose queries are embeddings of texts, and a score for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from vlp.models.compute import Compute
from vlp.models.decoder import Decoder
from vlp.models.flops import mlp_flops
from vlp.models.linear import linear
from vlp.models.shared import for_all
from vlp.models.sizes import TowerSize


def some_texts_at_a_time(
    answer: Callable[[Float[Array, "rows chunk width"]], Float[Array, "batch chunk"]],
    texts: Float[Array, "rows texts width"],
    chunk: int,
) -> Float[Array, "batch texts"]:
    """Returns `answer(texts)`, of which each text's is its own affair.

    Forward and backward pass hold the activations of one chunk: what it needs is computed again.

    Args:
      answer: scores all images by these texts.
      texts: of each image, or one row of them for all.
      chunk: texts at a time; 0 = all.
    """
    count = texts.shape[1]
    each = min(chunk or count, count)
    pieces = -(-count // each)
    again = jax.checkpoint(answer)
    if pieces == 1:
        return again(texts)
    padded = jnp.pad(texts, ((0, 0), (0, pieces * each - count), (0, 0)))
    split = padded.reshape(len(texts), pieces, each, -1).swapaxes(0, 1)
    answers = jax.lax.map(again, split).swapaxes(0, 1)
    return answers.reshape(len(answers), -1)[:, :count]


class TextQueryDecoder(nnx.Module):
    """Log-odds that an image has what each text says (Query2Label, arXiv 2107.10834, without attention among the
    queries, as in RAM, arXiv 2306.03514): every query is answered as if it were alone."""

    def __init__(
        self, size: TowerSize, *, text_width: int, memory_width: int, compute: Compute, rngs: nnx.Rngs
    ):
        """Builds the layers.

        Args:
          size: of the queries in the blocks.
          text_width: of texts' embeddings.
          memory_width: of the tokens that are asked.
          compute: dtype, scan and remat.
          rngs: where initial values come from.
        """
        options: dict[str, Any] = {"compute": compute, "rngs": rngs}
        self.words = linear(text_width, size.width, std=text_width**-0.5, **options)
        self.decoder = Decoder(size, memory_width=memory_width, self_attention=False, **options)
        self.scores = linear(size.width, 1, std=size.width**-0.5, **options)

    def queries(self, rows: Float[Array, "*texts text_width"]) -> Float[Array, "*texts width"]:
        """Returns what texts ask with."""
        return jax.nn.relu(self.words(rows))

    def __call__(
        self,
        queries: Float[Array, "batch texts width"],
        memory: Float[Array, "batch tokens memory_width"],
    ) -> Float[Array, "batch texts"]:
        """Returns float32 log-odds of each image's own queries."""
        return self.scores(self.decoder(queries, memory))[..., 0].astype(jnp.float32)

    def every(
        self,
        queries: Float[Array, "rows texts width"],
        memory: Float[Array, "batch tokens memory_width"],
        chunk: int,
    ) -> Float[Array, "batch texts"]:
        """Returns the same of each image's own queries, or of one row of them for all; `chunk` exist at a time."""

        def answer(piece: Float[Array, "rows chunk width"]) -> Float[Array, "batch chunk"]:
            return self(for_all(piece, (len(memory), *piece.shape[1:]), piece.dtype), memory)

        return some_texts_at_a_time(answer, queries, chunk)

    def flops(self, queries: int, tokens: int) -> int:
        """Counts one image's answers to so many queries."""
        return self.decoder.flops(queries, tokens) + queries * mlp_flops((self.decoder.size.width, 1))

    def query_flops(self) -> int:
        """Counts what a text asks with."""
        return mlp_flops((self.words.in_features, self.words.out_features))
