"""A light decoder of tokens, with or without a memory to look at."""

from __future__ import annotations

from typing import Any

import jax
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from vlp.models.compute import REMAT_POLICIES, Compute
from vlp.models.cross_attention import CrossBlock
from vlp.models.flops import cross_attention_flops, mlp_flops, transformer_flops
from vlp.models.norms import layer_norm
from vlp.models.sizes import TowerSize


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
        self.compute, self.depth, self.size = compute, size.depth, size
        self.memory_width, self.self_attention = memory_width, self_attention

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
        free: Bool[Array, " batch"] | None = None,
    ) -> Float[Array, "batch tokens width"]:
        """Runs the blocks.

        Args:
          x: embedded tokens with their positions.
          memory: what they attend to, where the decoder was built for one.
          lengths: how many leading tokens are real; None = all.
          memory_lengths: likewise of the memory.
          free: rows whose tokens see those behind them, too, in a causal decoder.
        """

        def run_block(x: Array, block: CrossBlock) -> tuple[Array, None]:
            return block(x, memory, lengths=lengths, memory_lengths=memory_lengths, free=free), None

        if self.compute.remat != "none":
            run_block = jax.checkpoint(run_block, policy=REMAT_POLICIES[self.compute.remat])
        x, _ = jax.lax.scan(run_block, x, self.blocks, unroll=self.depth if self.compute.unroll else 1)
        return self.norm(x)

    def flops(self, tokens: int, memory: int = 0) -> int:
        """Counts the blocks for one example.

        Args:
          tokens: of the decoder.
          memory: tokens that they attend to.
        """
        size = self.size
        mlp = size.depth * tokens * mlp_flops((size.width, size.mlp_dim, size.width))
        own: dict[str, Any] = {"tokens": tokens, "width": size.width, "depth": size.depth}
        blocks = transformer_flops(**own, mlp_dim=size.mlp_dim) if self.self_attention else mlp
        if not memory:
            return blocks
        return blocks + cross_attention_flops(**own, memory=memory, memory_width=self.memory_width)
