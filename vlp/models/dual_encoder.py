"""Two towers, two projections into one space, and the learned scale of their cosines."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int, Shaped, UInt8

from vlp.kernels.unit import unit
from vlp.models.adapters import adapt
from vlp.models.compute import Compute
from vlp.models.families import TOWERS, family
from vlp.models.heads import projection


class DualEncoder(nnx.Module):
    """Holds what a user of the trained model needs: images and captions to unit vectors of one space.

    Attributes:
      image, text: the towers; None where nothing reads one, and so are `image_projection` and `text_projection`.
    """

    def __init__(
        self,
        config: Any,
        *,
        vocabulary_size: int,
        length: int,
        compute: Compute,
        rngs: nnx.Rngs,
        towers: Collection[str] = TOWERS,
    ):
        """Builds the towers.

        Args:
          config: `model` of the config, with `image`, `text`, `embed_dim` and `logit_scale`.
          vocabulary_size: of the tokenizer.
          length: tokens a caption has.
          compute: dtype, attention implementation, scan and remat.
          rngs: where initial values come from.
          towers: which to build, of 'image' and 'text'.
        """
        self.embed_dim, self.compute = config.embed_dim, compute
        self.image = family("image", config.image).build(config.image, compute=compute, rngs=rngs)
        self.text = family("text", config.text).build(
            config.text, vocabulary_size=vocabulary_size, length=length, compute=compute, rngs=rngs
        )
        self.image_projection, self.text_projection = (
            projection(
                settings.get("projection", "") or config.projection,
                tower.width,
                config.embed_dim,
                hidden=settings.get("projection_dim", 0),
                compute=compute,
                rngs=rngs,
            )
            for settings, tower in ((config.image, self.image), (config.text, self.text))
        )
        if "adapters" in config:
            adapt(self, config.adapters, compute=compute, rngs=rngs)
        # Let go only now: the initial values of one tower are the same without the other. Compiled, this draws nothing.
        for name in set(TOWERS) - set(towers):
            setattr(self, name, None)
            setattr(self, f"{name}_projection", None)
        # The parameter is the logarithm of the scale; the step clamps it after the update (CLIP, section 2.5), where it
        # is learned.
        self.learns_scale = config.logit_scale.learn
        self.logit_scale = nnx.Param(
            jnp.asarray(math.log(config.logit_scale.init), jnp.float32),
            bounds=scale_bounds(config.logit_scale) if self.learns_scale else None,
        )
        # Only a sigmoid needs it: its many negatives call for a very negative start (SigLIP, section 3.2).
        self.logit_bias = nnx.Param(jnp.float32(config.logit_bias.init)) if config.logit_bias.learn else None

    def scale(self) -> Float[Array, ""]:
        """Returns what multiplies cosines; without gradient where the temperature is fixed (ConVIRT)."""
        scale = jnp.exp(self.logit_scale[...])
        return scale if self.learns_scale else jax.lax.stop_gradient(scale)

    def bias(self) -> Float[Array, ""]:
        """Returns what is added to scaled cosines; zero in a model without one."""
        return jnp.zeros(()) if self.logit_bias is None else self.logit_bias[...]

    def encode_pixels(
        self, pixels: Float[Array, "batch height width 3"], **beside: Shaped[Array, "batch ..."]
    ) -> Float[Array, "batch embed_dim"]:
        """Encodes normalised pixels as unit vectors; beside them is what else the tower is told of each image."""
        return unit(self.image_projection(self.image(pixels, **beside).pooled))

    def encode_patches(
        self, pixels: Float[Array, "batch height width 3"], **beside: Shaped[Array, "batch ..."]
    ) -> Float[Array, "batch patches embed_dim"]:
        """Encodes normalised pixels as a unit vector a patch, row by row, by the projection of the whole image."""
        return unit(self.image_projection(self.image.patches(pixels, **beside)))

    def encode_text(
        self, ids: Int[Array, "batch length"], mask: Bool[Array, "batch length"]
    ) -> Float[Array, "batch embed_dim"]:
        """Encodes token ids as unit vectors."""
        return unit(self.text_projection(self.text(ids, mask).pooled))

    def encode_tokens(
        self, ids: Int[Array, "batch length"], mask: Bool[Array, "batch length"]
    ) -> Float[Array, "batch length embed_dim"]:
        """Encodes token ids as a unit vector a token, by the projection of the whole text."""
        return unit(self.text_projection(self.text(ids, mask).tokens))


def scale_bounds(settings: Any) -> tuple[float, float]:
    """Returns the interval of a scale's logarithm, of settings with `max` and, unless they are older, `min`."""
    least = settings.get("min", 0.0)
    return math.log(least) if least else -math.inf, math.log(settings.max)


def normalise(
    images: UInt8[Array, "batch height width 3"], mean: tuple[float, ...], std: tuple[float, ...]
) -> Float[Array, "batch height width 3"]:
    """Turns uint8 pixels into float32 with the given mean and standard deviation of values in [0, 1], on the device."""
    scale = 1.0 / (255.0 * jnp.asarray(std, jnp.float32))
    return images.astype(jnp.float32) * scale - jnp.asarray(mean, jnp.float32) / jnp.asarray(std, jnp.float32)
