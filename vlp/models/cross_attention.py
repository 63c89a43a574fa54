"""Attention of some tokens to others: learned queries to patches, words to images, a decoder to its memory."""

from __future__ import annotations

from typing import Any

import jax
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from vlp.models.attention import Attention
from vlp.models.compute import Compute
from vlp.models.linear import linear
from vlp.models.norms import layer_norm
from vlp.models.sharding import constrain_batch
from vlp.models.sizes import TowerSize
from vlp.models.transformer import Mlp


class CrossAttention(nnx.Module):
    """Multi-head attention whose keys and values come from elsewhere (Vaswani et al. 2017, arXiv 1706.03762)."""

    def __init__(self, size: TowerSize, memory_width: int, *, compute: Compute, rngs: nnx.Rngs):
        """Builds the projections.

        Args:
          size: width and heads of the tokens that ask; its depth scales the output's initial weights.
          memory_width: of the tokens that are asked.
          compute: dtype of the products.
          rngs: where initial values come from.
        """
        self.heads = size.heads
        options: dict[str, Any] = {"compute": compute, "rngs": rngs}
        self.query = linear(size.width, size.width, std=size.width**-0.5, **options)
        self.key_value = linear(memory_width, 2 * size.width, std=memory_width**-0.5, **options)
        self.out = linear(size.width, size.width, std=(2 * size.depth * size.width) ** -0.5, **options)

    def __call__(
        self,
        x: Float[Array, "batch tokens width"],
        memory: Float[Array, "batch others memory_width"],
        lengths: Int[Array, " batch"] | None = None,
    ) -> Float[Array, "batch tokens width"]:
        """Mixes the memory for every token.

        Args:
          x: what asks.
          memory: what is asked.
          lengths: how many leading tokens of each row of the memory are real; None = all.
        """
        query = self.query(x).reshape(*x.shape[:2], self.heads, -1)
        key_value = self.key_value(memory).reshape(*memory.shape[:2], self.heads, 2, -1)
        mixed = jax.nn.dot_product_attention(
            query,
            key_value[..., 0, :],
            key_value[..., 1, :],
            key_value_seq_lengths=lengths,
            implementation="xla",  # the fused kernel wants even numbers of tokens on both sides
        )
        return self.out(mixed.reshape(x.shape))


class CrossBlock(nnx.Module):
    """A pre-norm block: attention among the tokens, attention to a memory, an MLP; either attention may be left out."""

    def __init__(
        self,
        size: TowerSize,
        *,
        memory_width: int,
        compute: Compute,
        rngs: nnx.Rngs,
        causal: bool = False,
        self_attention: bool = True,
    ):
        """Builds the block.

        Args:
          size: of the tokens.
          memory_width: of the memory's tokens; 0 = there is no memory.
          compute: dtype of the products.
          rngs: where initial values come from.
          causal: whether no token sees those behind it.
          self_attention: whether tokens see each other at all.
        """
        options: dict[str, Any] = {"compute": compute, "rngs": rngs}
        self.attention_norm = layer_norm(size, **options) if self_attention else None
        self.attention = Attention(size, causal=causal, **options) if self_attention else None
        self.cross_norm = layer_norm(size, **options) if memory_width else None
        self.cross_attention = CrossAttention(size, memory_width, **options) if memory_width else None
        self.mlp_norm, self.mlp = layer_norm(size, **options), Mlp(size, **options)

    def __call__(
        self,
        x: Float[Array, "batch tokens width"],
        memory: Float[Array, "batch others memory_width"] | None = None,
        *,
        lengths: Int[Array, " batch"] | None = None,
        memory_lengths: Int[Array, " batch"] | None = None,
        free: Bool[Array, " batch"] | None = None,
    ) -> Float[Array, "batch tokens width"]:
        """Runs the block.

        Args:
          x: tokens.
          memory: what they attend to, where the block was built for one; None = nothing.
          lengths: how many leading tokens are real; None = all.
          memory_lengths: likewise of the memory.
          free: rows whose tokens see those behind them, too, in a causal block.
        """
        if self.attention is not None and self.attention_norm is not None:
            x = x + self.attention(self.attention_norm(x), lengths, free=free)
        if self.cross_attention is not None and self.cross_norm is not None and memory is not None:
            x = x + self.cross_attention(self.cross_norm(x), memory, memory_lengths)
        return constrain_batch(x + self.mlp(self.mlp_norm(x)))
