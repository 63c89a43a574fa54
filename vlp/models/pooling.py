"""From token outputs to one vector: class token, mean, attention pooling, end-of-text or last position."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from vlp.models.compute import Compute
from vlp.models.linear import linear
from vlp.models.norms import layer_norm
from vlp.models.sharding import constrain_batch
from vlp.models.shared import for_all
from vlp.models.sizes import TowerSize
from vlp.models.transformer import Mlp

IMAGE_POOLS = ("class", "mean", "class_mean", "attention")
TEXT_POOLS = ("first", "end", "last", "mean", "max", "attention")


def first(x: Float[Array, "batch tokens width"]) -> Float[Array, "batch width"]:
    """Returns the class token's output, or that of a text's first token (BERT, ALIGN)."""
    return x[:, 0]


def last(x: Float[Array, "batch tokens width"]) -> Float[Array, "batch width"]:
    """Returns the output at the last position, padding or not (SigLIP's text tower)."""
    return x[:, -1]


def end(x: Float[Array, "batch tokens width"], lengths: Int[Array, " batch"]) -> Float[Array, "batch width"]:
    """Returns the output at the end-of-text token, which is the last real one (CLIP's text tower)."""
    return jnp.take_along_axis(x, (lengths - 1)[:, None, None], axis=1)[:, 0]


def mean(
    x: Float[Array, "batch tokens width"], lengths: Int[Array, " batch"] | None = None
) -> Float[Array, "batch width"]:
    """Returns the float32 mean over real tokens."""
    x = x.astype(jnp.float32)
    if lengths is None:
        return x.mean(axis=1)
    real = jnp.arange(x.shape[1])[None, :] < lengths[:, None]
    return jnp.where(real[..., None], x, 0.0).sum(axis=1) / lengths[:, None]


def largest(
    x: Float[Array, "batch tokens width"], lengths: Int[Array, " batch"]
) -> Float[Array, "batch width"]:
    """Returns the largest output of each dimension over real tokens (ConVIRT's text tower)."""
    real = jnp.arange(x.shape[1])[None, :] < lengths[:, None]
    return jnp.where(real[..., None], x, -jnp.inf).max(axis=1)


class AttentionPool(nnx.Module):
    """A learned query attends to all tokens, followed by a residual MLP (MAP head, arXiv 2106.04560)."""

    def __init__(self, size: TowerSize, *, compute: Compute, rngs: nnx.Rngs, project_query: bool = False):
        """Builds the head.

        Args:
          size: of the tower.
          compute: dtype of the products.
          rngs: where initial values come from.
          project_query: whether a linear layer makes the query of what is learned (the published head), or the query
            itself is learned, which computes the same functions with fewer parameters.
        """
        self.query = nnx.Param(nnx.initializers.normal(size.width**-0.5)(rngs.params(), (size.width,)))
        self.heads = size.heads
        self.key_value = linear(size.width, 2 * size.width, std=size.width**-0.5, compute=compute, rngs=rngs)
        self.out = linear(size.width, size.width, std=size.width**-0.5, compute=compute, rngs=rngs)
        self.norm = layer_norm(size, compute=compute, rngs=rngs)
        self.mlp = Mlp(size, compute=compute, rngs=rngs)
        self.query_projection = (
            linear(size.width, size.width, std=size.width**-0.5, compute=compute, rngs=rngs)
            if project_query
            else None
        )

    def __call__(
        self, x: Float[Array, "batch tokens width"], lengths: Int[Array, " batch"] | None = None
    ) -> Float[Array, "batch width"]:
        batch, tokens, width = x.shape
        key_value = constrain_batch(self.key_value(x)).reshape(batch, tokens, self.heads, 2, -1)
        query = self.query[...].astype(x.dtype)
        if self.query_projection is not None:
            query = self.query_projection(query)
        query = for_all(query.reshape(self.heads, -1), (batch, 1, *key_value.shape[2::2]), x.dtype)
        # One query a row: a fused kernel has nothing to gain here, so the portable implementation serves everywhere.
        attended = jax.nn.dot_product_attention(
            query,
            key_value[..., 0, :],
            key_value[..., 1, :],
            key_value_seq_lengths=lengths,
            implementation="xla",
        )
        pooled = self.out(constrain_batch(attended).reshape(batch, width))
        return pooled + self.mlp(self.norm(pooled))
