"""The text tower: a transformer over token ids, causal (CLIP) or bidirectional (ALIGN, SigLIP)."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from vlp.models import pooling
from vlp.models.compute import Compute
from vlp.models.micro_batch import micro_batched
from vlp.models.positions import LearnedPosition
from vlp.models.sizes import tower_size
from vlp.models.transformer import Transformer
from vlp.models.vision import TowerOutput


class TextTransformer(nnx.Module):
    """Token embedding, positions, transformer, pooling."""

    def __init__(self, config: Any, *, vocabulary_size: int, length: int, compute: Compute, rngs: nnx.Rngs):
        """Builds the tower.

        Args:
          config: `model.text` of the config; see configs/base.py.
          vocabulary_size: rows of the token embedding.
          length: tokens a caption is padded or cut to.
          compute: dtype, attention implementation, scan and remat.
          rngs: where initial values come from.
        """
        size = tower_size(config)
        self.attend_padding = config.get("attend_padding", False)
        self.causal, self.pool, self.width, self.compute = config.causal, config.pool, size.width, compute
        init = nnx.initializers.normal(0.02)
        self.embedding = nnx.Embed(
            vocabulary_size, size.width, embedding_init=init, dtype=compute.dtype, rngs=rngs
        )
        self.position = LearnedPosition(length, size.width, 0.01, rngs=rngs)
        self.transformer = Transformer(size, causal=config.causal, compute=compute, rngs=rngs)
        if config.pool == "attention":
            self.attention_pool = pooling.AttentionPool(
                size, compute=compute, rngs=rngs, project_query=config.get("project_query", False)
            )

    def __call__(self, ids: Int[Array, "batch length"], mask: Bool[Array, "batch length"]) -> TowerOutput:
        """Encodes token ids whose real tokens (mask true) come first."""
        return micro_batched(self._encode, self.compute.micro_batch, ids, mask)

    def _encode(self, ids: Int[Array, "batch length"], mask: Bool[Array, "batch length"]) -> TowerOutput:
        lengths = mask.sum(axis=1, dtype=jnp.int32)
        x = self.embedding(ids) + self.position().astype(self.compute.dtype)
        # A causal tower read at its end never sees the padding behind it; one read at the last position means to.
        hide_padding = not (
            self.attend_padding or self.pool == "last" or (self.causal and self.pool == "end")
        )
        tokens = self.transformer(x, lengths if hide_padding else None)
        return TowerOutput(self._pooled(tokens, lengths), tokens)

    def _pooled(
        self, tokens: Float[Array, "batch length width"], lengths: Int[Array, " batch"]
    ) -> Float[Array, "batch width"]:
        if self.pool == "first":
            return pooling.first(tokens)
        if self.pool == "end":
            return pooling.end(tokens, lengths)
        if self.pool == "last":
            return pooling.last(tokens)
        if self.pool == "attention":
            return self.attention_pool(tokens, lengths)
        return pooling.largest(tokens, lengths) if self.pool == "max" else pooling.mean(tokens, lengths)
