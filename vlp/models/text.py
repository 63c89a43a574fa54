"""The text tower: a transformer over token ids, causal (CLIP) or bidirectional (ALIGN, SigLIP)."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from vlp.models import pooling
from vlp.models.compute import Compute
from vlp.models.context import LearnedContext
from vlp.models.micro_batch import micro_batched
from vlp.models.norms import layer_norm
from vlp.models.positions import LearnedPosition
from vlp.models.shared import Embedding, for_all
from vlp.models.sizes import tower_size
from vlp.models.transformer import Transformer
from vlp.models.vision import TowerOutput


class SoftTokens(NamedTuple):
    """Vectors that stand in the places of some tokens: learned contexts (CoOp, arXiv 2109.01134), words made of images.

    Attributes:
      values: in the space of the token embedding; positions are added to them as to others.
      places: which tokens of each text they replace; a place beyond the text leaves one out.
    """

    values: Float[Array, "batch count width"]
    places: Int[Array, "batch count"]


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
        self.embedding = Embedding(
            vocabulary_size, size.width, embedding_init=init, dtype=compute.dtype, rngs=rngs
        )
        self.position = LearnedPosition(length, size.width, 0.01, rngs=rngs)
        self.transformer = Transformer(size, causal=config.causal, compute=compute, rngs=rngs)
        # Where norms follow what they normalise, the first follows the embedding (BERT, arXiv 1810.04805).
        self.embedding_norm = layer_norm(size, compute=compute, rngs=rngs) if size.post_norm else None
        if config.pool == "attention":
            self.attention_pool = pooling.AttentionPool(
                size, compute=compute, rngs=rngs, project_query=config.get("project_query", False)
            )
        learned = config.get("context", 0)
        self.context = LearnedContext(config, width=size.width, length=length, rngs=rngs) if learned else None

    @jax.named_scope("text")
    def __call__(
        self,
        ids: Int[Array, "batch length"],
        mask: Bool[Array, "batch length"],
        *,
        soft: SoftTokens | None = None,
        watch: Sequence[str] = (),
    ) -> TowerOutput:
        """Encodes token ids whose real tokens (mask true) come first, with the learned context if there is one.

        Args:
          ids: tokens.
          mask: which are real.
          soft: vectors in the places of some of them.
          watch: names of what to look at within, as '-2/tokens' or '11/attention'; see `Transformer`.
        """
        encode = functools.partial(self._encode, watch=watch)
        return micro_batched(encode, self.compute.micro_batch, ids, mask, *(soft or ()))

    def _encode(
        self,
        ids: Int[Array, "batch length"],
        mask: Bool[Array, "batch length"],
        values: Float[Array, "batch count width"] | None = None,
        places: Int[Array, "batch count"] | None = None,
        *,
        watch: Sequence[str] = (),
    ) -> TowerOutput:
        own = lengths = mask.sum(axis=1, dtype=jnp.int32)
        x = self.embedding(ids)
        if values is not None:
            x = x.at[jnp.arange(len(ids))[:, None], places].set(values.astype(x.dtype), mode="drop")
        if self.context is not None:
            x, lengths = self.context(x, ids, lengths)
        x = x + for_all(self.position(), x.shape, self.compute.dtype)
        if self.embedding_norm is not None:
            x = self.embedding_norm(x)
        # A causal tower read at its end never sees the padding behind it; one read at the last position means to.
        hide_padding = not (
            self.attend_padding or self.pool == "last" or (self.causal and self.pool == "end")
        )
        tokens, watched = self.transformer(x, lengths if hide_padding else None, watch=watch)
        pooled = self._pooled(tokens, lengths)
        if self.context is not None:  # whoever pairs outputs with ids and mask finds each where its token is
            tokens = self.context.without(tokens, own)
        return TowerOutput(pooled, tokens, watched)

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
