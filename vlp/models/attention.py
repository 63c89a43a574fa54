"""Self-attention of a transformer's block, by the compiler's own products or a kernel of the device."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from flax import nnx
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Bool, Float, Int

from vlp.models.compute import Compute
from vlp.models.linear import linear
from vlp.models.norms import layer_norm
from vlp.models.positions import Rotation
from vlp.models.sharding import batch_shards, constrain_heads
from vlp.models.sizes import TowerSize

LONGEST = 1024  # tokens whose scores of all pairs fit into a TPU core's vector memory a few times


class Attention(nnx.Module):
    """Multi-head self-attention with one fused projection to queries, keys and values."""

    def __init__(self, size: TowerSize, *, causal: bool, compute: Compute, rngs: nnx.Rngs):
        self.causal, self.compute, self.heads = causal, compute, size.heads
        # Initial scales follow CLIP's released model: the residual branches shrink with the depth.
        self.qkv = linear(size.width, 3 * size.width, std=size.width**-0.5, compute=compute, rngs=rngs)
        out_std = (2 * size.depth * size.width) ** -0.5
        self.out = linear(size.width, size.width, std=out_std, compute=compute, rngs=rngs)
        self.norm = layer_norm(size, compute=compute, rngs=rngs) if size.sub_norm == "within" else None

    @jax.named_scope("attention")
    def __call__(
        self,
        x: Float[Array, "batch tokens width"],
        lengths: Int[Array, " batch"] | None,
        *,
        rotation: Rotation | None = None,
        heads: int = 0,
        free: Bool[Array, " batch"] | None = None,
    ) -> Float[Array, "batch tokens width"]:
        """Mixes the tokens.

        Args:
          x: tokens.
          lengths: how many leading ones of each row are real; None = all.
          rotation: of queries and keys, by the tokens' places.
          heads: another number than it was built with; 0 = that.
          free: rows whose tokens see those behind them, too, where the attention is causal; None = none.
        """
        heads = heads or self.heads
        qkv = self.qkv(x)
        plain = rotation is None and free is None and x.shape[1] <= LONGEST and len(x) % batch_shards() == 0
        if self.compute.attention == "fused" and plain:
            # Not at the top, for it loads what other devices do not need.
            from vlp.models.fused_attention import fused_attention

            qkv = checkpoint_name(qkv, "qkv")
            mixed = fused_attention(qkv, lengths, heads=heads, causal=self.causal)
        else:
            mixed = self._mixed(qkv, lengths, rotation, heads, free)
        return self._projected(checkpoint_name(mixed, "mixed"))

    def _projected(self, mixed: Float[Array, "batch tokens width"]) -> Float[Array, "batch tokens width"]:
        return self.out(mixed if self.norm is None else self.norm(mixed))

    def _mixed(
        self,
        qkv: Float[Array, "batch tokens values"],
        lengths: Int[Array, " batch"] | None,
        rotation: Rotation | None,
        heads: int,
        free: Bool[Array, " batch"] | None,
    ) -> Float[Array, "batch tokens width"]:
        """Values, mixed by the compiler's own products and softmax, or cuDNN's."""
        # JAX parts cuDNN's calls among the devices themselves, and cannot where one would have fewer examples.
        whole = len(qkv) % batch_shards() == 0
        cudnn = self.compute.attention == "cudnn" and free is None and whole
        # cuDNN reads each from a place of its own: what is kept for the backward pass are these copies.
        query, key, value = _by_heads(qkv if cudnn else checkpoint_name(qkv, "qkv"), heads)
        if cudnn:
            query, key, value = (checkpoint_name(constrain_heads(one), "qkv") for one in (query, key, value))
        if rotation is not None:
            query, key = (rotation.turn(one) for one in (query, key))
        mixed = jax.nn.dot_product_attention(
            query,
            key,
            value,
            mask=None if free is None else _causal_but(free, qkv.shape[1]),
            is_causal=self.causal and free is None,
            key_value_seq_lengths=lengths,
            implementation="cudnn" if cudnn else "xla",
        )
        return mixed.reshape(*qkv.shape[:2], -1)

    def logits(
        self, x: Float[Array, "batch tokens width"], *, rotation: Rotation | None = None, heads: int = 0
    ) -> Float[Array, "batch heads tokens tokens"]:
        """Returns scores of all tokens for all, scaled, before any mask and the softmax; in float32."""
        query, key, _ = _by_heads(self.qkv(x), heads or self.heads)
        if rotation is not None:
            query, key = (rotation.turn(one) for one in (query, key))
        dtype = jnp.promote_types(query.dtype, jnp.float32)
        scores = jnp.einsum("bqhd,bkhd->bhqk", query, key, preferred_element_type=dtype)
        return scores / math.sqrt(query.shape[-1])

    def value_only(
        self, x: Float[Array, "batch tokens width"], *, heads: int = 0
    ) -> Float[Array, "batch tokens width"]:
        """Returns what comes out where every token attends to itself alone: its value, projected."""
        return self._projected(_by_heads(self.qkv(x), heads or self.heads)[2].reshape(x.shape))


def _by_heads(qkv: Float[Array, "batch tokens values"], heads: int) -> tuple[Array, Array, Array]:
    """Queries, keys and values, [batch, tokens, heads, size]."""
    # Heads come first, so that splitting the projection over devices splits it by heads.
    qkv = qkv.reshape(*qkv.shape[:2], heads, 3, -1)
    return qkv[..., 0, :], qkv[..., 1, :], qkv[..., 2, :]


def _causal_but(free: Bool[Array, " batch"], tokens: int) -> Bool[Array, "batch 1 tokens tokens"]:
    """What each token may see: those before it, and in free rows all."""
    before = jnp.tril(jnp.ones((tokens, tokens), bool))
    return (before[None] | free[:, None, None])[:, None]
