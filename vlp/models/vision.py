"""The image tower: a vision transformer over patches (arXiv 2010.11929)."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray

from vlp.models import pooling
from vlp.models.compute import Compute
from vlp.models.linear import linear
from vlp.models.micro_batch import micro_batched
from vlp.models.positions import LearnedPosition, SinCosPosition, resampled
from vlp.models.sizes import tower_size
from vlp.models.transformer import Transformer, layer_norm


class TowerOutput(NamedTuple):
    """Holds what a tower knows about its input.

    Attributes:
      pooled: [batch, width], one vector an example, before any projection.
      tokens: [batch, tokens, width], the outputs at patches (image) or token positions (text).
    """

    pooled: Float[Array, "batch width"]
    tokens: Float[Array, "batch tokens width"]


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
        self.patch_size, self.patch_dropout, self.pool = config.patch_size, config.patch_dropout, config.pool
        self.width, self.compute = size.width, compute
        values = 3 * config.patch_size**2
        self.patch_embedding = linear(
            values,
            size.width,
            std=values**-0.5,
            compute=compute,
            rngs=rngs,
            use_bias=config.get("patch_bias", True),
        )
        self.position: LearnedPosition | SinCosPosition
        if config.position == "learned":
            self.position = LearnedPosition(side**2, size.width, size.width**-0.5, rngs=rngs)
        else:
            self.position = SinCosPosition(side, size.width)
        extra = config.registers + (config.pool == "class")
        self.prefix_length = extra
        if extra:
            init = nnx.initializers.normal(size.width**-0.5)
            self.class_token = nnx.Param(init(rngs.params(), (extra, size.width)))
        self.transformer = Transformer(size, causal=False, compute=compute, rngs=rngs)
        if config.pool == "attention":
            self.attention_pool = pooling.AttentionPool(
                size, compute=compute, rngs=rngs, project_query=config.get("project_query", False)
            )
        positioned = extra and config.get("class_position", False)
        self.class_position = nnx.Param(jnp.zeros((extra, size.width))) if positioned else None
        pre_norm = config.get("pre_norm", False)
        self.pre_norm = layer_norm(size, compute=compute, rngs=rngs) if pre_norm else None

    def __call__(
        self, pixels: Float[Array, "batch height width 3"], key: PRNGKeyArray | None = None
    ) -> TowerOutput:
        """Encodes normalised pixels.

        Args:
          pixels: normalised square images; at another than the configured resolution positions are resampled.
          key: randomness of patch dropout; None keeps every patch, as evaluation does.
        """
        batch, patches = pixels.shape[0], (pixels.shape[1] // self.patch_size) ** 2
        drawn = []
        if key is not None and self.patch_dropout > 0:
            drawn = [kept_patches(key, batch, patches, self.patch_dropout)]
        return micro_batched(self._encode, self.compute.micro_batch, pixels, *drawn)

    def patches(self, pixels: Float[Array, "batch height width 3"]) -> Float[Array, "batch patches width"]:
        """Returns what each patch says in the space of `pooled`, row by row, for the same projection to read.

        Of a mean over patches these are the patches' outputs. A class token or an attention pool reads patches as
        the values of its last attention; there, each patch attends to itself alone (MaskCLIP, arXiv 2112.01071).
        """
        if self.pool == "class":
            return self.transformer(self._embed(pixels), last_alone=True)[:, self.prefix_length :]
        tokens = self(pixels).tokens
        if self.pool == "mean":
            return tokens
        return self.attention_pool(tokens.reshape(-1, 1, self.width)).reshape(tokens.shape)

    def _embed(
        self, pixels: Float[Array, "batch height width 3"], kept: Int[Array, "batch kept"] | None = None
    ) -> Float[Array, "batch tokens width"]:
        """Embedded patches with their positions, behind class token and registers."""
        patches = patchify(pixels, self.patch_size)
        positions = resampled(self.position(), pixels.shape[1] // self.patch_size)
        position = jnp.broadcast_to(positions, (patches.shape[0], patches.shape[1], self.width))
        if kept is not None:
            patches, position = (jnp.take_along_axis(a, kept[..., None], axis=1) for a in (patches, position))
        x = self.patch_embedding(patches) + position.astype(self.compute.dtype)
        if self.prefix_length:
            prefix = self.class_token[...]
            if self.class_position is not None:
                prefix = prefix + self.class_position[...]
            prefix = jnp.broadcast_to(prefix.astype(x.dtype), (x.shape[0], *prefix.shape))
            x = jnp.concatenate([prefix, x], axis=1)
        return x if self.pre_norm is None else self.pre_norm(x)

    def _encode(
        self, pixels: Float[Array, "batch height width 3"], kept: Int[Array, "batch kept"] | None = None
    ) -> TowerOutput:
        x = self.transformer(self._embed(pixels, kept))
        tokens = x[:, self.prefix_length :]
        if self.pool == "class":
            return TowerOutput(pooling.first(x), tokens)
        return TowerOutput(
            self.attention_pool(tokens) if self.pool == "attention" else pooling.mean(tokens), tokens
        )
