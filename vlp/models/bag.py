"""A text tower without order: words and n-grams are embedded, averaged, and sent through an MLP."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from vlp.models.compute import Compute
from vlp.models.heads import MlpHead
from vlp.models.shared import Embedding
from vlp.models.sizes import bag_size
from vlp.models.transformer import ACTIVATIONS
from vlp.models.vision import TowerOutput

# Odd multipliers of a rolling hash of token ids (Knuth's, and one near 2^32 / e).
FACTORS = (2_654_435_761, 1_580_030_169)


def ngram_rows(ids: Int[Array, "batch length"], span: int, buckets: int) -> Int[Array, "batch length"]:
    """Hashes the `span` tokens that end at each place to a row of a table; places before them read as token 0."""
    code = jnp.zeros(ids.shape, jnp.uint32)
    for back in range(span - 1, -1, -1):
        earlier = jnp.pad(ids, ((0, 0), (back, 0)))[:, : ids.shape[1]].astype(jnp.uint32)
        code = (code + earlier + jnp.uint32(span)) * jnp.uint32(FACTORS[0])
        code = (code ^ (code >> 15)) * jnp.uint32(FACTORS[1])
    return (code % jnp.uint32(buckets)).astype(jnp.int32)


class BagOfWords(nnx.Module):
    """The mean of embedded tokens and n-grams, and two linear layers (bag-of-words and n-gram baselines of ranking).

    N-grams share the rows of a table, by a hash of their tokens (Weinberger et al. 2009, arXiv 0902.2206).
    """

    def __init__(self, config: Any, *, vocabulary_size: int, length: int, compute: Compute, rngs: nnx.Rngs):
        """Builds the tower.

        Args:
          config: `model.text` of the config, of kind 'bag': `width` of the embeddings and of the output, `mlp_dim`
            between, `ngrams` (the longest run of tokens with an embedding of its own), `buckets` (rows for those runs).
          vocabulary_size: rows of the token embedding.
          length: unused: a mean takes any.
          compute: dtype of the products.
          rngs: where initial values come from.
        """
        del length
        size = bag_size(config)
        self.width, self.compute, self.ngrams, self.buckets = (
            size.width,
            compute,
            config.ngrams,
            config.buckets,
        )
        rows = vocabulary_size + (config.buckets if config.ngrams > 1 else 0)
        self.vocabulary_size = vocabulary_size
        init = nnx.initializers.normal(size.width**-0.5)
        self.embedding = Embedding(rows, size.width, embedding_init=init, dtype=compute.dtype, rngs=rngs)
        self.mlp = MlpHead(
            (size.width, size.mlp_dim, size.width),
            compute=compute,
            rngs=rngs,
            activation=ACTIVATIONS[size.activation],
        )

    def __call__(self, ids: Int[Array, "batch length"], mask: Bool[Array, "batch length"]) -> TowerOutput:
        """Encodes token ids whose real tokens (mask true) come first; the tokens are the embeddings of single ones."""
        single, weights = self.embedding(ids), mask.astype(jnp.float32)
        total, count = _masked_sum(single, weights), weights.sum(axis=1)
        for span in range(2, self.ngrams + 1):
            rows = self.vocabulary_size + ngram_rows(ids, span, self.buckets)
            whole = weights * (jnp.arange(ids.shape[1]) >= span - 1)
            total += _masked_sum(self.embedding(rows), whole)
            count += whole.sum(axis=1)
        mean = total / jnp.maximum(count, 1.0)[:, None]
        return TowerOutput(self.mlp(mean), single)


def _masked_sum(
    x: Float[Array, "batch length width"], weights: Float[Array, "batch length"]
) -> Float[Array, "batch width"]:
    return jax.numpy.einsum("blw,bl->bw", x.astype(jnp.float32), weights)
