"""The pre-norm transformer both towers are made of: attention, MLP, block, and the stack of blocks."""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from vlp.models.compute import REMAT_POLICIES, Compute
from vlp.models.linear import linear
from vlp.models.sharding import constrain_batch
from vlp.models.sizes import TowerSize


def quick_gelu(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The GELU of OpenAI's CLIP (section 2 of arXiv 1606.08415): x sigmoid(1.702 x)."""
    return x * jax.nn.sigmoid(1.702 * x)


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "gelu_tanh": nnx.gelu,
    "gelu": functools.partial(nnx.gelu, approximate=False),
    "quick_gelu": quick_gelu,
}


class Attention(nnx.Module):
    """Multi-head self-attention with one fused projection to queries, keys and values."""

    def __init__(self, size: TowerSize, *, causal: bool, compute: Compute, rngs: nnx.Rngs):
        self.causal, self.compute, self.heads = causal, compute, size.heads
        # Initial scales follow CLIP's released model: the residual branches shrink with the depth.
        self.qkv = linear(size.width, 3 * size.width, std=size.width**-0.5, compute=compute, rngs=rngs)
        out_std = (2 * size.depth * size.width) ** -0.5
        self.out = linear(size.width, size.width, std=out_std, compute=compute, rngs=rngs)

    def __call__(
        self, x: Float[Array, "batch tokens width"], lengths: Int[Array, " batch"] | None
    ) -> Float[Array, "batch tokens width"]:
        # Heads come first, so that splitting the projection over devices splits it by heads.
        qkv = self.qkv(x).reshape(*x.shape[:2], self.heads, 3, -1)
        mixed = jax.nn.dot_product_attention(
            qkv[..., 0, :],
            qkv[..., 1, :],
            qkv[..., 2, :],
            is_causal=self.causal,
            key_value_seq_lengths=lengths,
            implementation=self.compute.attention,
        )
        return self.out(mixed.reshape(x.shape))

    def alone(self, x: Float[Array, "batch tokens width"]) -> Float[Array, "batch tokens width"]:
        """What comes out where every token attends to itself alone: its value, projected."""
        values = self.qkv(x).reshape(*x.shape[:2], self.heads, 3, -1)[..., 2, :]
        return self.out(values.reshape(x.shape))


def layer_norm(size: TowerSize, *, compute: Compute, rngs: nnx.Rngs) -> nnx.LayerNorm:
    """The layer norm of a tower."""
    return nnx.LayerNorm(size.width, epsilon=size.norm_eps, dtype=compute.dtype, rngs=rngs)


class Mlp(nnx.Module):
    """Two linear layers with an activation between."""

    def __init__(self, size: TowerSize, *, compute: Compute, rngs: nnx.Rngs):
        down_std = (2 * size.depth * size.width) ** -0.5
        self.activation = ACTIVATIONS[size.activation]
        self.up = linear(size.width, size.mlp_dim, std=(2 * size.width) ** -0.5, compute=compute, rngs=rngs)
        self.down = linear(size.mlp_dim, size.width, std=down_std, compute=compute, rngs=rngs)

    def __call__(self, x: Float[Array, "*batch width"]) -> Float[Array, "*batch width"]:
        return self.down(self.activation(self.up(x)))


class Block(nnx.Module):
    """x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, size: TowerSize, *, causal: bool, compute: Compute, rngs: nnx.Rngs):
        self.attention_norm = layer_norm(size, compute=compute, rngs=rngs)
        self.attention = Attention(size, causal=causal, compute=compute, rngs=rngs)
        self.mlp_norm = layer_norm(size, compute=compute, rngs=rngs)
        self.mlp = Mlp(size, compute=compute, rngs=rngs)

    def __call__(
        self, x: Float[Array, "batch tokens width"], lengths: Int[Array, " batch"] | None
    ) -> Float[Array, "batch tokens width"]:
        x = x + self.attention(self.attention_norm(x), lengths)
        return x + self.mlp(self.mlp_norm(x))

    def alone(self, x: Float[Array, "batch tokens width"]) -> Float[Array, "batch tokens width"]:
        """The block where every token attends to itself alone."""
        x = x + self.attention.alone(self.attention_norm(x))
        return x + self.mlp(self.mlp_norm(x))


class Transformer(nnx.Module):
    """A stack of blocks whose parameters carry a leading depth axis, and a final norm."""

    def __init__(self, size: TowerSize, *, causal: bool, compute: Compute, rngs: nnx.Rngs):
        self.compute, self.depth, self.causal = compute, size.depth, causal

        @nnx.split_rngs(splits=size.depth)
        @nnx.vmap
        def stack(rngs: nnx.Rngs) -> Block:
            return Block(size, causal=causal, compute=compute, rngs=rngs)

        self.blocks = stack(rngs)
        self.norm = layer_norm(size, compute=compute, rngs=rngs)

    def __call__(
        self,
        x: Float[Array, "batch tokens width"],
        lengths: Int[Array, " batch"] | None = None,
        *,
        last_alone: bool = False,
    ) -> Float[Array, "batch tokens width"]:
        """Runs the blocks over already embedded tokens.

        Args:
          x: token embeddings.
          lengths: how many leading tokens of each row are real; None attends to all of them.
          last_alone: whether every token attends to itself alone in the last block.
        """

        tokens = x.shape[1]
        if self.compute.attention == "cudnn":
            x, lengths = _even(x, lengths, self.causal)

        def run_block(x: Array, block: Block) -> tuple[Array, None]:
            return constrain_batch(block(x, lengths)), None

        if self.compute.remat != "none":
            run_block = jax.checkpoint(run_block, policy=REMAT_POLICIES[self.compute.remat])
        blocks = jax.tree.map(lambda leaf: leaf[:-1], self.blocks) if last_alone else self.blocks
        x, _ = jax.lax.scan(
            run_block, constrain_batch(x), blocks, unroll=self.depth if self.compute.unroll else 1
        )
        if last_alone:
            x = jax.tree.map(lambda leaf: leaf[-1], self.blocks).alone(x)
        return self.norm(x[:, :tokens])


def _even(
    x: Float[Array, "batch tokens width"], lengths: Int[Array, " batch"] | None, causal: bool
) -> tuple[Float[Array, "batch padded width"], Int[Array, " batch"] | None]:
    """Tokens to an even number, by one that none of the others sees: of an odd one JAX's cuDNN has no gradient.

    (`check_is_flash_attention` in jax/_src/cudnn, which takes every call in training for one with a bias.)

    Args:
      x: token embeddings.
      lengths: as in `Transformer`.
      causal: whether no token sees those behind it.
    """
    batch, tokens, _ = x.shape
    if tokens % 2 == 0:
        return x, lengths
    if lengths is None and not causal:
        lengths = jnp.full((batch,), tokens, jnp.int32)
    return jnp.pad(x, ((0, 0), (0, 1), (0, 0))), lengths
