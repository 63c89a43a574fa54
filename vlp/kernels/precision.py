"""The precision losses are computed in."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Shaped


def widen(*arrays: Shaped[Array, " ..."]) -> list[Array]:
    """Casts arrays to their common type, float32 at least: bfloat16 scores are fine, bfloat16 sums are not."""
    dtype = jnp.promote_types(jnp.result_type(*arrays), jnp.float32)
    return [array.astype(dtype) for array in arrays]
