"""The layer norm that towers have everywhere."""

from __future__ import annotations

from typing import Any

import jax
from flax import nnx
from jaxtyping import Array, Float

from vlp.models.compute import Compute
from vlp.models.sizes import TowerSize


class LayerNorm(nnx.LayerNorm):
    """A layer norm that profiles and plans know by its name."""

    @jax.named_scope("norm")
    def __call__(self, x: Float[Array, "*batch width"], **options: Any) -> Float[Array, "*batch width"]:
        return super().__call__(x, **options)


def layer_norm(size: TowerSize, *, compute: Compute, rngs: nnx.Rngs, width: int = 0) -> LayerNorm:
    """Builds a layer norm of a tower.

    Args:
      size: of the tower.
      compute: dtype of what comes out; statistics are float32.
      rngs: where initial values come from.
      width: of what it normalises; 0 = that of the tower's tokens.
    """
    return LayerNorm(width or size.width, epsilon=size.norm_eps, dtype=compute.dtype, rngs=rngs)
