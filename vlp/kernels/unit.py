"""Vectors of length one."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float


def unit(vectors: Float[Array, "*rows dim"]) -> Float[Array, "*rows dim"]:
    """Vectors divided by their length, or by 1e-12 where they are shorter: a zero stays zero, its slope finite.

    In float32, or in the vectors' own type where that is wider.
    """
    vectors = vectors.astype(jnp.promote_types(vectors.dtype, jnp.float32))
    squares = (vectors**2).sum(axis=-1, keepdims=True)
    return vectors / jnp.sqrt(jnp.maximum(squares, 1e-24))
