"""A light decoder of tokens, with or without a memory to look at, and one of texts that can be asked to write."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from vlp.models.compute import REMAT_POLICIES, Compute
from vlp.models.cross_attention import CrossBlock
from vlp.models.linear import linear
from vlp.models.positions import LearnedPosition
from vlp.models.sizes import TowerSize
from vlp.models.transformer import layer_norm


class Decoder(nnx.Module):
    """A stack of blocks over embedded tokens, whose parameters carry a leading depth axis, and a final norm."""

    def __init__(
        self,
        size: TowerSize,
        *,
        memory_width: int = 0,
        causal: bool = False,
        self_attention: bool = True,
        compute: Compute,
        rngs: nnx.Rngs,
    ):
        """Builds the blocks.

        Args:
          size: of the tokens.
          memory_width: of the tokens that each block attends to; 0 = none.
          causal: whether no token sees those behind it.
          self_attention: whether tokens see each other; queries that each stand for a tag need not.
          compute: dtype, scan and remat.
          rngs: where initial values come from.
        """
        self.compute, self.depth = compute, size.depth

        @nnx.split_rngs(splits=size.depth)
        @nnx.vmap
        def stack(rngs: nnx.Rngs) -> CrossBlock:
            return CrossBlock(
                size,
                memory_width=memory_width,
                compute=compute,
                rngs=rngs,
                causal=causal,
                self_attention=self_attention,
            )

        self.blocks = stack(rngs)
        self.norm = layer_norm(size, compute=compute, rngs=rngs)

    def __call__(
        self,
        x: Float[Array, "batch tokens width"],
        memory: Float[Array, "batch others memory_width"] | None = None,
        *,
        lengths: Int[Array, " batch"] | None = None,
        memory_lengths: Int[Array, " batch"] | None = None,
    ) -> Float[Array, "batch tokens width"]:
        """Runs the blocks.

        Args:
          x: embedded tokens with their positions.
          memory: what they attend to, where the decoder was built for one.
          lengths: how many leading tokens are real; None = all.
          memory_lengths: likewise of the memory.
        """

        def run_block(x: Array, block: CrossBlock) -> tuple[Array, None]:
            return block(x, memory, lengths=lengths, memory_lengths=memory_lengths), None

        if self.compute.remat != "none":
            run_block = jax.checkpoint(run_block, policy=REMAT_POLICIES[self.compute.remat])
        x, _ = jax.lax.scan(run_block, x, self.blocks, unroll=self.depth if self.compute.unroll else 1)
        return self.norm(x)


class TextDecoder(nnx.Module):
    """Predicts each token of a text from those before it, and from a memory (captioning, CoCa, arXiv 2205.01917)."""

    def __init__(
        self,
        size: TowerSize,
        *,
        vocabulary_size: int,
        length: int,
        memory_width: int = 0,
        compute: Compute,
        rngs: nnx.Rngs,
    ):
        """Builds embeddings, blocks and the layer of scores.

        Args:
          size: of the tokens.
          vocabulary_size: of the tokenizer.
          length: tokens that a text has at most.
          memory_width: of the tokens attended to, such as an image's patches; 0 = none.
          compute: dtype, scan and remat.
          rngs: where initial values come from.
        """
        self.length, self.compute = length, compute
        options: dict[str, Any] = {"compute": compute, "rngs": rngs}
        init = nnx.initializers.normal(0.02)
        self.embedding = nnx.Embed(
            vocabulary_size, size.width, embedding_init=init, dtype=compute.dtype, rngs=rngs
        )
        self.position = LearnedPosition(length, size.width, 0.01, rngs=rngs)
        self.decoder = Decoder(size, memory_width=memory_width, causal=True, **options)
        self.scores = linear(size.width, vocabulary_size, std=size.width**-0.5, **options)

    def __call__(
        self,
        ids: Int[Array, "batch tokens"],
        memory: Float[Array, "batch others memory_width"] | None = None,
        *,
        memory_lengths: Int[Array, " batch"] | None = None,
    ) -> Float[Array, "batch tokens vocabulary"]:
        """Returns scores of what follows each token, in float32.

        Args:
          ids: texts, at most `length` tokens of each.
          memory: what they are about.
          memory_lengths: how many leading tokens of each memory are real; None = all.
        """
        x = self.embedding(ids) + self.position()[: ids.shape[1]].astype(self.compute.dtype)
        x = self.decoder(x, memory, memory_lengths=memory_lengths)
        return self.scores(x).astype(jnp.float32)

    def greedy(
        self,
        memory: Float[Array, "batch others memory_width"],
        *,
        begin: int,
        end: int,
        pad: int = 0,
        memory_lengths: Int[Array, " batch"] | None = None,
    ) -> Int[Array, "batch length"]:
        """Writes a text for each memory, the likeliest token at a time; every token is scored anew for each.

        Args:
          memory: what the texts are about.
          begin: the token they begin with.
          end: the token they end with.
          pad: what stands behind the end.
          memory_lengths: how many leading tokens of each memory are real; None = all.
        """
        batch = memory.shape[0]
        ids = jnp.full((batch, self.length), pad, jnp.int32).at[:, 0].set(begin)

        def write(place: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
            ids, done = state
            best = self(ids, memory, memory_lengths=memory_lengths)[:, place - 1].argmax(axis=-1)
            token = jnp.where(done, pad, best.astype(jnp.int32))
            return ids.at[:, place].set(token), done | (token == end)

        return jax.lax.fori_loop(1, self.length, write, (ids, jnp.zeros(batch, bool)))[0]
