"""The image tower: a vision transformer over patches (arXiv 2010.11929)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from vlp.models import pooling
from vlp.models.compute import Compute
from vlp.models.families.stems import stem_flops
from vlp.models.flops import image_tower_flops
from vlp.models.linear import Linear, linear
from vlp.models.micro_batch import micro_batched
from vlp.models.norms import layer_norm
from vlp.models.positions import LearnedPosition, Rotation, SinCosPosition, resampled, rotary2d
from vlp.models.shared import for_all
from vlp.models.sizes import TowerSize, tower_size
from vlp.models.stems import STEMS, MobileStem, NestedStem
from vlp.models.transformer import Prompts, Transformer
from vlp.randomness import fold_in_name


class TowerOutput(NamedTuple):
    """Holds what a tower knows about its input.

    Attributes:
      pooled: [batch, width], one vector an example, before any projection.
      tokens: [batch, tokens, width], the outputs at patches (image) or token positions (text).
      watched: what was asked for within the tower, by its name; see `Transformer`. There, the tokens of an image are
        class token, registers, prompts and patches.
      prefix: the outputs at an image's class token and registers; None where a tower has no such tokens.
    """

    pooled: Float[Array, "batch width"]
    tokens: Float[Array, "batch tokens width"]
    watched: dict[str, Array] = {}  # noqa: RUF012 (a tuple's default, which nobody changes)
    prefix: Float[Array, "batch prefix width"] | None = None


class Masked(NamedTuple):
    """Patches that are hidden from the tower (BEiT, arXiv 2106.08254).

    Attributes:
      where: whether a patch is hidden, row by row.
      token: what stands in its place, before its position is added.
    """

    where: Bool[Array, "batch patches"]
    token: Float[Array, " width"]


def patchify(
    pixels: Float[Array, "batch height width 3"], patch_size: int
) -> Float[Array, "batch patches values"]:
    """Cuts images into flattened square patches, row by row; pixels beyond the last whole one are left out."""
    batch, height, width, channels = pixels.shape
    rows, columns = height // patch_size, width // patch_size
    pixels = pixels[:, : rows * patch_size, : columns * patch_size]
    x = pixels.reshape(batch, rows, patch_size, columns, patch_size, channels)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(batch, rows * columns, patch_size * patch_size * channels)


def kept_patches(key: PRNGKeyArray, batch: int, patches: int, drop: float) -> jax.Array:
    """Draws which patches each example keeps: int32 [batch, kept], uniformly without replacement (FLIP, 2212.00794)."""
    kept = round(patches * (1 - drop))
    return jnp.argsort(jax.random.uniform(key, (batch, patches)), axis=1)[:, :kept]


class VisionTransformer(nnx.Module):
    """Patches, positions, transformer, pooling."""

    def __init__(self, config: Any, *, compute: Compute, rngs: nnx.Rngs):
        """Builds the tower.

        Args:
          config: `model.image` of the config; see configs/base.py.
          compute: dtype, attention implementation, scan and remat.
          rngs: where initial values come from.
        """
        size = tower_size(config)
        side = config.resolution // config.patch_size
        self.side = side
        self.patch_size, self.patch_dropout, self.pool = config.patch_size, config.patch_dropout, config.pool
        self.token_width, self.compute = size.width, compute
        self.width = size.width * (2 if config.pool == "class_mean" else 1)
        self.stem, self.patch_embedding = _embedding(config, size.width, compute=compute, rngs=rngs)
        self.position: LearnedPosition | SinCosPosition | None
        if config.position.startswith("learned"):
            self.position = LearnedPosition(side**2, size.width, size.width**-0.5, rngs=rngs)
        else:
            self.position = SinCosPosition(side, size.width) if config.position == "sincos2d" else None
        self.rotary = _rotary(config) if "rotary2d" in config.position else None
        self.head_size, self.depth = size.width // size.heads, size.depth
        self.drop_path = config.get("drop_path", 0.0)
        extra = config.registers + config.pool.startswith("class")
        self.prefix_length = extra
        if extra:
            init = nnx.initializers.normal(size.width**-0.5)
            self.class_token = nnx.Param(init(rngs.params(), (extra, size.width)))
        late = config.get("norm_after_pool", False)
        self.transformer = Transformer(size, causal=False, compute=compute, rngs=rngs, final_norm=not late)
        self.pooled_norm = layer_norm(size, compute=compute, rngs=rngs) if late else None
        # Trained blocks behind a backbone that is held, whose paths rules of the learning rate tell from its own.
        top = dataclasses.replace(size, depth=config.get("top_blocks", 0), last_heads=0)
        self.top_depth, self.size, self.pool_size = top.depth, size, pool_size(config)
        self.stem_kind = (config.get("stem", ""), config.get("stem_width", 0))
        self.top = Transformer(top, causal=False, compute=compute, rngs=rngs) if top.depth else None
        self.pool_prefix = config.get("pool_prefix", False)
        if config.pool == "attention":
            self.attention_pool = pooling.AttentionPool(
                self.pool_size,
                compute=compute,
                rngs=rngs,
                project_query=config.get("project_query", False),
            )
        positioned = extra and config.get("class_position", False)
        self.class_position = nnx.Param(jnp.zeros((extra, size.width))) if positioned else None
        pre_norm = config.get("pre_norm", False)
        self.pre_norm = layer_norm(size, compute=compute, rngs=rngs) if pre_norm else None
        own = config.get("prompts", 0)
        shape = (config.get("prompt_layers", 0) or size.depth, own, size.width)
        self.prompts = nnx.Param(nnx.initializers.normal(0.02)(rngs.params(), shape)) if own else None

    @jax.named_scope("image")
    def __call__(
        self,
        pixels: Float[Array, "batch height width 3"],
        key: PRNGKeyArray | None = None,
        *,
        masked: Masked | None = None,
        kept: Int[Array, "batch kept"] | None = None,
        prompts: Float[Array, "*batch layers count width"] | None = None,
        watch: Sequence[str] = (),
    ) -> TowerOutput:
        """Encodes normalised pixels.

        Args:
          pixels: normalised square images; at another than the configured resolution positions are resampled.
          key: randomness of patch dropout and stochastic depth; None keeps everything, as evaluation does.
          masked: patches that a mask token hides; none is dropped then.
          kept: which patches each image keeps, by number, in the place of patch dropout (MAE, arXiv 2111.06377).
          prompts: tokens behind class token and registers, put into each of the first layers anew (VPT, arXiv
            2203.12119); the same for all images, or some for each. They stand in the place of the tower's own.
          watch: names of what to look at within, as '-2/tokens' or '11/attention'; see `Transformer`.
        """
        batch, patches = pixels.shape[0], (pixels.shape[1] // self.patch_size) ** 2
        if kept is None and masked is None and key is not None and self.patch_dropout > 0:
            kept = kept_patches(key, batch, patches, self.patch_dropout)
        given: dict[str, Array | None] = {
            "kept": kept,
            "branches": drawn_branches(key, self.drop_path, (batch, self.depth, 2)),
            "hidden": None if masked is None else masked.where,
            "prompts": self._prompts(prompts, batch),
        }
        arrays = {name: array for name, array in given.items() if array is not None}

        def encode(pixels: Array, *parts: Array) -> TowerOutput:
            token = None if masked is None else masked.token
            return self._encode(pixels, token=token, watch=watch, **dict(zip(arrays, parts, strict=True)))

        return micro_batched(encode, self.compute.micro_batch, pixels, *arrays.values())

    def _prompts(self, given: Array | None, batch: int) -> Float[Array, "batch layers count width"] | None:
        """What is given, else the tower's own, for each image."""
        prompts = self.prompts[...] if given is None and self.prompts is not None else given
        return None if prompts is None else jnp.broadcast_to(prompts, (batch, *prompts.shape[-3:]))

    def flops(self, seen: int) -> int:
        """Counts one image of which so many patches are seen, without its projection."""
        prompts = 0 if self.prompts is None else self.prompts.shape[1]
        kind, inner = self.stem_kind  # which sees all patches, whatever blocks do
        stem = stem_flops(kind, inner, self.side * self.patch_size, self.token_width) if kind else 0
        return stem + image_tower_flops(
            patches=0 if kind else seen,
            patch_dim=3 * self.patch_size**2,
            tokens=seen + self.prefix_length + prompts,
            width=self.token_width,
            depth=self.depth + self.top_depth,
            mlp_dim=self.size.mlp_dim,
            embed_dim=0,
            attention_pool=self.pool == "attention",
            gated=self.size.gated,
            pool_mlp_dim=self.pool_size.mlp_dim,
        )

    def patches(self, pixels: Float[Array, "batch height width 3"]) -> Float[Array, "batch patches width"]:
        """Returns what each patch says in the space of `pooled`, row by row, for the same projection to read.

        Of a mean over patches these are the patches' outputs, where class token and mean both pool behind the former.
        A class token or an attention pool reads patches as the values of its last attention; there, each patch attends
        to itself alone (MaskCLIP, arXiv 2112.01071).
        """
        if self.pool == "class":
            prompts = self._prompts(None, len(pixels))
            slots = 0 if prompts is None else prompts.shape[2]
            before = self.prefix_length + slots
            rows, _ = self._blocks(
                self._embed(pixels, slots=slots),
                last_alone=True,
                rotation=self._rotation(pixels, before),
                prompts=None if prompts is None else Prompts(prompts, self.prefix_length),
            )
            return rows[:, before:]
        output = self(pixels)
        pooled, tokens = output.pooled, output.tokens
        if self.pool == "mean":
            return tokens if self.pooled_norm is None else self.pooled_norm(tokens)
        if self.pool == "class_mean":
            first = jnp.broadcast_to(pooled[:, None, : self.token_width], tokens.shape)
            return jnp.concatenate([first.astype(tokens.dtype), tokens], axis=-1)
        return self.attention_pool(tokens.reshape(-1, 1, self.width)).reshape(tokens.shape)

    def _blocks(
        self, x: Float[Array, "batch tokens width"], *, last_alone: bool = False, **options: Any
    ) -> tuple[Float[Array, "batch tokens width"], dict[str, Array]]:
        """The tower's blocks and those on top of them."""
        x, watched = self.transformer(x, last_alone=last_alone and self.top is None, **options)
        return (x if self.top is None else self.top(x, last_alone=last_alone)[0]), watched

    def _embed(
        self,
        pixels: Float[Array, "batch height width 3"],
        kept: Int[Array, "batch kept"] | None = None,
        hidden: Bool[Array, "batch patches"] | None = None,
        token: Float[Array, " width"] | None = None,
        slots: int = 0,
    ) -> Float[Array, "batch tokens width"]:
        """Embedded patches with their positions, behind class token, registers and room for prompts."""
        # A linear layer embeds patches that are kept alone; a stem sees across their edges.
        x = patchify(pixels, self.patch_size) if self.stem is None else _flat(self.stem(pixels))
        position = self._positions(pixels.shape[1] // self.patch_size, *x.shape[:2])
        if kept is not None:
            x = jnp.take_along_axis(x, kept[..., None], axis=1)
            position = None if position is None else jnp.take_along_axis(position, kept[..., None], axis=1)
            hidden = None if hidden is None else jnp.take_along_axis(hidden, kept, axis=1)
        x = x if self.patch_embedding is None else self.patch_embedding(x)
        if hidden is not None and token is not None:
            x = jnp.where(hidden[..., None], for_all(token, x.shape, x.dtype), x)
        if position is not None:
            x = x + position.astype(self.compute.dtype)
        if self.prefix_length or slots:
            x = jnp.concatenate([self._prefix(x, slots), x], axis=1)
        return x if self.pre_norm is None else self.pre_norm(x)

    def _positions(self, side: int, batch: int, patches: int) -> Float[Array, "batch patches width"] | None:
        if self.position is None:
            return None
        return jnp.broadcast_to(resampled(self.position(), side), (batch, patches, self.token_width))

    def _prefix(
        self, x: Float[Array, "batch patches width"], slots: int
    ) -> Float[Array, "batch prefix width"]:
        """Class token and registers, and room for prompts."""
        prefix = self.class_token[...] if self.prefix_length else jnp.zeros((0, self.token_width))
        if self.class_position is not None:
            prefix = prefix + self.class_position[...]
        if slots:
            prefix = jnp.concatenate([prefix, jnp.zeros((slots, self.token_width))])
        return for_all(prefix, (x.shape[0], *prefix.shape), x.dtype)

    def _rotation(
        self, pixels: Float[Array, "batch height width 3"], before: int, kept: Array | None = None
    ) -> Rotation | None:
        if self.rotary is None:
            return None
        side = pixels.shape[1] // self.patch_size
        return rotary2d(side, self.head_size, before=before, kept=kept, **self.rotary)

    def _encode(
        self,
        pixels: Float[Array, "batch height width 3"],
        *,
        kept: Int[Array, "batch kept"] | None = None,
        branches: Float[Array, "batch depth 2"] | None = None,
        hidden: Bool[Array, "batch patches"] | None = None,
        prompts: Float[Array, "batch layers count width"] | None = None,
        token: Float[Array, " width"] | None = None,
        watch: Sequence[str] = (),
    ) -> TowerOutput:
        slots = 0 if prompts is None else prompts.shape[2]
        before = self.prefix_length + slots
        x, watched = self._blocks(
            self._embed(pixels, kept, hidden, token, slots),
            rotation=self._rotation(pixels, before, kept),
            branches=branches,
            prompts=None if prompts is None else Prompts(prompts, self.prefix_length),
            watch=watch,
        )
        tokens, prefix = x[:, before:], x[:, : self.prefix_length]
        if self.pool == "class":
            return TowerOutput(pooling.first(x), tokens, watched, prefix)
        if self.pool == "attention":
            seen = jnp.concatenate([prefix, tokens], axis=1) if self.pool_prefix else tokens
            return TowerOutput(self.attention_pool(seen), tokens, watched, prefix)
        pooled = pooling.mean(tokens)
        if self.pool == "class_mean":
            pooled = jnp.concatenate([pooling.first(x), pooled], axis=-1)
        if self.pooled_norm is not None:
            pooled = self.pooled_norm(pooled)
        return TowerOutput(pooled, tokens, watched, prefix)


def pool_size(config: Any) -> TowerSize:
    """Returns the size of a tower's attention pool: its heads and hidden units may be other ones than the tower's.

    Args:
      config: `model.image` of the config.
    """
    size = tower_size(config)
    own = {name: config.get(f"pool_{name}", 0) or getattr(size, name) for name in ("heads", "mlp_dim")}
    return dataclasses.replace(size, gated=False, sub_norm="", **own)


def _embedding(
    config: Any, width: int, *, compute: Compute, rngs: nnx.Rngs
) -> tuple[NestedStem | MobileStem | None, Linear | None]:
    """A stem that makes tokens of pixels, or a linear layer that makes them of patches."""
    if stem := config.get("stem", ""):
        return STEMS[stem](config.stem_width, width, compute=compute, rngs=rngs), None
    values, bias = 3 * config.patch_size**2, config.get("patch_bias", True)
    return None, linear(values, width, std=values**-0.5, use_bias=bias, compute=compute, rngs=rngs)


def _rotary(config: Any) -> dict[str, Any]:
    """What `rotary2d` is told of a tower."""
    return {
        "centred": config.position == "rotary2d_centred",
        "longest": config.get("rotary_base", 100.0),
        "counted": config.get("rotary_grid", 0),
        "first": config.get("rotary_first", 0),
    }


def _flat(grid: Float[Array, "batch rows columns width"]) -> Float[Array, "batch patches width"]:
    return grid.reshape(grid.shape[0], -1, grid.shape[-1])


def drawn_branches(
    key: PRNGKeyArray | None, drop_path: float, shape: tuple[int, ...]
) -> Float[Array, "batch depth *branches"] | None:
    """Draws what multiplies the branches of each block: 0, or what keeps the mean (arXiv 1603.09382).

    Args:
      key: None drops nothing.
      drop_path: share of the last block's branches that is dropped, growing from 0 at the first.
      shape: examples, blocks, and perhaps branches of a block.
    """
    if key is None or not drop_path:
        return None
    keep = 1.0 - jnp.linspace(0.0, drop_path, shape[1]).reshape(-1, *(1 for _ in shape[2:]))
    return jax.random.bernoulli(fold_in_name(key, "drop_path"), keep, shape) / keep
