"""The transformer both towers are made of: attention, MLP, block, and the stack of blocks."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Float, Int

from input_pipeline.errors import UserError
from vlp.models.attention import Attention
from vlp.models.compute import REMAT_POLICIES, Compute
from vlp.models.linear import linear
from vlp.models.norms import layer_norm
from vlp.models.positions import Rotation
from vlp.models.sharding import constrain_batch, row_major
from vlp.models.shared import for_all
from vlp.models.sizes import TowerSize


def quick_gelu(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Returns the GELU of OpenAI's CLIP (section 2 of arXiv 1606.08415): x sigmoid(1.702 x)."""
    return x * jax.nn.sigmoid(1.702 * x)


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "gelu_tanh": nnx.gelu,
    "gelu": functools.partial(nnx.gelu, approximate=False),
    "quick_gelu": quick_gelu,
    "relu": jax.nn.relu,
    "silu": jax.nn.silu,
}

WATCHED = ("tokens", "attention")  # of a layer


class Mlp(nnx.Module):
    """Two linear layers with an activation between; gated, a third one's activation multiplies what the first gives
    (GLU variants, arXiv 2002.05202)."""

    def __init__(self, size: TowerSize, *, compute: Compute, rngs: nnx.Rngs):
        down_std = (2 * size.depth * size.width) ** -0.5
        self.activation = ACTIVATIONS[size.activation]
        up = {"std": (2 * size.width) ** -0.5, "compute": compute, "rngs": rngs}
        self.up = linear(size.width, size.mlp_dim, **up)
        self.down = linear(size.mlp_dim, size.width, std=down_std, compute=compute, rngs=rngs)
        self.gate = linear(size.width, size.mlp_dim, **up) if size.gated else None
        inner = {"": 0, "before": size.width, "within": size.mlp_dim}[size.sub_norm]
        self.norm = layer_norm(size, compute=compute, rngs=rngs, width=inner) if inner else None
        self.norm_first = size.sub_norm == "before"

    @jax.named_scope("mlp")
    def __call__(self, x: Float[Array, "*batch width"]) -> Float[Array, "*batch width"]:
        if self.norm is not None and self.norm_first:
            x = self.norm(x)
        hidden = checkpoint_name(self.up(x), "hidden")
        if self.gate is None:
            hidden = self.activation(hidden)
        else:
            hidden = self.activation(checkpoint_name(self.gate(x), "hidden")) * hidden
        if self.norm is not None and not self.norm_first:
            hidden = self.norm(hidden)
        return self.down(hidden)


class Block(nnx.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)); with post-norm norm(x + attention(x)), then norm(x + mlp(x)); with
    branch norm x + norm(attention(x)), then x + norm(mlp(x))."""

    def __init__(self, size: TowerSize, *, causal: bool, compute: Compute, rngs: nnx.Rngs):
        self.post_norm, self.branch_norm = size.post_norm, size.branch_norm
        self.attention_norm = layer_norm(size, compute=compute, rngs=rngs)
        self.attention = Attention(size, causal=causal, compute=compute, rngs=rngs)
        self.mlp_norm = layer_norm(size, compute=compute, rngs=rngs)
        self.mlp = Mlp(size, compute=compute, rngs=rngs)
        # A learned size of each branch (CaiT, arXiv 2103.17239, section 2).
        self.attention_scale, self.mlp_scale = (
            nnx.Param(jnp.full((size.width,), size.layer_scale, jnp.float32)) if size.layer_scale else None
            for _ in range(2)
        )

    def __call__(
        self,
        x: Float[Array, "batch tokens width"],
        lengths: Int[Array, " batch"] | None,
        *,
        rotation: Rotation | None = None,
        heads: int = 0,
        branches: Float[Array, "batch 2"] | None = None,
    ) -> Float[Array, "batch tokens width"]:
        """Runs the block.

        Args:
          x: tokens.
          lengths: how many leading ones of each row are real; None = all.
          rotation: of queries and keys.
          heads: of the attention, where it is another number than that of the tower; 0 = that.
          branches: what multiplies the attention and the MLP of each example (stochastic depth).
        """
        drop = (None, None) if branches is None else (branches[:, 0], branches[:, 1])

        def attention(x: Array) -> Array:
            return _scaled(
                self.attention(x, lengths, rotation=rotation, heads=heads), self.attention_scale, drop[0]
            )

        def mlp(x: Array) -> Array:
            return _scaled(self.mlp(x), self.mlp_scale, drop[1])

        if self.post_norm:
            x = self.attention_norm(checkpoint_name(x + attention(x), "middle"))
            return self.mlp_norm(checkpoint_name(x + mlp(x), "middle"))
        if self.branch_norm:
            x = checkpoint_name(x + self.attention_norm(attention(x)), "middle")
            return x + self.mlp_norm(mlp(x))
        x = checkpoint_name(x + attention(self.attention_norm(x)), "middle")
        return x + mlp(self.mlp_norm(x))

    def attention_logits(
        self, x: Float[Array, "batch tokens width"], *, rotation: Rotation | None = None, heads: int = 0
    ) -> Float[Array, "batch heads tokens tokens"]:
        """Returns what the block's attention scores tokens by, of the block's input."""
        normalised = x if self.post_norm or self.branch_norm else self.attention_norm(x)
        return self.attention.logits(normalised, rotation=rotation, heads=heads)

    def value_only(
        self, x: Float[Array, "batch tokens width"], *, heads: int = 0
    ) -> Float[Array, "batch tokens width"]:
        """Runs the block where every token attends to itself alone."""
        if self.branch_norm:
            x = x + self.attention_norm(self.attention.value_only(x, heads=heads))
            return x + self.mlp_norm(self.mlp(x))
        mixed = self.attention.value_only(self.attention_norm(x), heads=heads)
        x = x + _scaled(mixed, self.attention_scale, None)
        return x + _scaled(self.mlp(self.mlp_norm(x)), self.mlp_scale, None)


def _scaled(
    branch: Float[Array, "batch tokens width"], scale: nnx.Param | None, kept: Float[Array, " batch"] | None
) -> Float[Array, "batch tokens width"]:
    if scale is not None:
        branch = branch * for_all(scale, branch.shape, branch.dtype)
    return branch if kept is None else branch * kept[:, None, None].astype(branch.dtype)


class Prompts(NamedTuple):
    """Tokens that are put into the input of the first layers, each layer's in the places of the one before (VPT).

    Attributes:
      values: one set a layer and example.
      start: the place of the first; the tokens given to the transformer have room for them there.
    """

    values: Float[Array, "batch layers count width"]
    start: int

    def put(self, x: Float[Array, "batch tokens width"], layer: int) -> Float[Array, "batch tokens width"]:
        """Puts a layer's into its input, where it has any."""
        return _with_prompts(x, self.values[:, layer], self.start) if layer < self.values.shape[1] else x


class Transformer(nnx.Module):
    """A stack of blocks whose parameters carry a leading depth axis, and a final norm, which post-norm blocks lack."""

    def __init__(
        self, size: TowerSize, *, causal: bool, compute: Compute, rngs: nnx.Rngs, final_norm: bool = True
    ):
        self.compute, self.depth, self.causal = compute, size.depth, causal
        self.last_heads = size.last_heads

        @nnx.split_rngs(splits=size.depth)
        @nnx.vmap
        def stack(rngs: nnx.Rngs) -> Block:
            return Block(size, causal=causal, compute=compute, rngs=rngs)

        self.blocks = stack(rngs)
        normalised = final_norm and not size.post_norm
        self.norm = layer_norm(size, compute=compute, rngs=rngs) if normalised else None

    def __call__(
        self,
        x: Float[Array, "batch tokens width"],
        lengths: Int[Array, " batch"] | None = None,
        *,
        last_alone: bool = False,
        rotation: Rotation | None = None,
        branches: Float[Array, "batch depth 2"] | None = None,
        prompts: Prompts | None = None,
        watch: Sequence[str] = (),
    ) -> tuple[Float[Array, "batch tokens width"], dict[str, Array]]:
        """Runs the blocks over already embedded tokens.

        Args:
          x: token embeddings.
          lengths: how many leading tokens of each row are real; None attends to all of them.
          last_alone: whether every token attends to itself alone in the last block.
          rotation: of queries and keys, by the tokens' places.
          branches: what multiplies the two branches of each block and example (stochastic depth).
          prompts: tokens put into the first layers.
          watch: what to look at within, as '<layer>/tokens' (what the layer gives, [batch, tokens, width]) or
            '<layer>/attention' (its scores before the softmax, [batch, heads, tokens, tokens]); layers count from 0,
            and from the end as -1, -2.

        Returns:
          The outputs, and what was watched under the names asked for.

        Raises:
          ValueError: there is no such layer, or nothing of that name in it.
        """
        tokens = x.shape[1]
        if self.compute.attention == "cudnn":
            x, lengths = _even(x, lengths, self.causal)
            rotation = rotation and rotation.padded(x.shape[1] - tokens)
        wanted = {name: self._place(name) for name in watch}
        watched: dict[str, Array] = {}
        x = constrain_batch(x)
        for first, last in self._segments(wanted.values(), prompts, last_alone):
            own = self.last_heads if first == self.depth - 1 else 0
            for name, (layer, what) in wanted.items():
                if (layer, what) == (first, "attention"):
                    entered = x if prompts is None else prompts.put(x, first)
                    logits = self._block(first).attention_logits(entered, rotation=rotation, heads=own)
                    watched[name] = logits[..., :tokens, :tokens]
            if last_alone and first == self.depth - 1:
                x = self._block(first).value_only(x, heads=own)
            else:
                options = {"lengths": lengths, "rotation": rotation, "heads": own}
                x = self._run(x, first, last, branches, prompts, **options)
            for name, (layer, what) in wanted.items():
                if (layer, what) == (last - 1, "tokens"):
                    watched[name] = x[:, :tokens]
        x = x[:, :tokens]
        return constrain_batch(x if self.norm is None else self.norm(x)), watched

    def _place(self, name: str) -> tuple[int, str]:
        """'-2/tokens' as the layer's number and what of it."""
        layer, _, what = name.partition("/")
        if (
            what not in WATCHED
            or not layer.lstrip("-").isdigit()
            or not -self.depth <= int(layer) < self.depth
        ):
            raise UserError(
                f"watch={name!r} must be a layer from {-self.depth} to {self.depth - 1} and one of "
                f"{', '.join(WATCHED)}, such as '-1/{WATCHED[0]}'"
            )
        return int(layer) % self.depth, what

    def _segments(
        self, wanted: Collection[tuple[int, str]], prompts: Prompts | None, last_alone: bool
    ) -> list[tuple[int, int]]:
        """Runs of blocks that one scan can do, between the layers that something is special about."""
        cuts = {0, self.depth, *(layer for layer, _ in wanted), *(layer + 1 for layer, _ in wanted)}
        if prompts is not None:
            cuts.add(min(prompts.values.shape[1], self.depth))
        if last_alone or self.last_heads:
            cuts.add(self.depth - 1)
        return list(itertools.pairwise(sorted(cuts)))

    def _block(self, layer: int) -> Block:
        return jax.tree.map(lambda leaf: leaf[layer], self.blocks)

    def _run(
        self,
        x: Float[Array, "batch tokens width"],
        first: int,
        last: int,
        branches: Float[Array, "batch depth 2"] | None,
        prompts: Prompts | None,
        **options: Any,
    ) -> Float[Array, "batch tokens width"]:
        """The blocks from `first` up to `last`."""

        def run_block(x: Array, inputs: tuple[Block, Array | None, Array | None]) -> tuple[Array, None]:
            block, branch, prompt = inputs
            if prompts is not None and prompt is not None:
                x = _with_prompts(x, prompt, prompts.start)
            x = constrain_batch(block(x, branches=branch, **options))
            return (row_major(x) if self.compute.pinned else x), None

        if self.compute.remat != "none":
            run_block = jax.checkpoint(run_block, policy=REMAT_POLICIES[self.compute.remat])
        whole = (first, last) == (0, self.depth)
        blocks = self.blocks if whole else jax.tree.map(lambda leaf: leaf[first:last], self.blocks)
        dropped = None if branches is None else branches[:, first:last].swapaxes(0, 1)
        put = None
        if prompts is not None and first < prompts.values.shape[1]:
            put = prompts.values[:, first:last].swapaxes(0, 1)
        unroll = last - first if self.compute.unroll else 1
        return jax.lax.scan(run_block, x, (blocks, dropped, put), unroll=unroll)[0]


def _with_prompts(
    x: Float[Array, "batch tokens width"], prompts: Float[Array, "batch count width"], start: int
) -> Float[Array, "batch tokens width"]:
    return jax.lax.dynamic_update_slice_in_dim(x, prompts.astype(x.dtype), start, axis=1)


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
