"""Position embeddings: learned, or fixed two-dimensional sine-cosine."""

from __future__ import annotations

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

POSITIONS = ("learned", "sincos2d")


def sincos2d(side: int, width: int, max_wavelength: float = 10_000.0) -> Float[Array, "side*side width"]:
    """Fixed sine-cosine positions of a square grid, row by row (MoCo v3, arXiv 2104.02057, as in big_vision).

    Raises:
      ValueError: the width is not divisible by four (sine and cosine for each of two axes).
    """
    if width % 4:
        raise ValueError(
            f"sincos2d positions need a width divisible by 4, got {width}; use position='learned'"
        )
    rows, columns = jnp.mgrid[:side, :side]
    frequencies = 1.0 / max_wavelength ** (jnp.arange(width // 4) / (width // 4 - 1))
    angles = [jnp.outer(axis.ravel(), frequencies) for axis in (rows, columns)]
    return jnp.concatenate([f(a) for a in angles for f in (jnp.sin, jnp.cos)], axis=1)


class LearnedPosition(nnx.Module):
    """A table with one learned row for each position."""

    def __init__(self, length: int, width: int, std: float, *, rngs: nnx.Rngs):
        self.embedding = nnx.Param(nnx.initializers.normal(std)(rngs.params(), (length, width)))

    def __call__(self) -> Float[Array, "length width"]:
        return self.embedding[...]


class SinCosPosition(nnx.Module):
    """The fixed grid; holds no parameters."""

    def __init__(self, side: int, width: int):
        self.side, self.width = side, width

    def __call__(self) -> Float[Array, "length width"]:
        return sincos2d(self.side, self.width)
