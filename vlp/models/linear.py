"""The linear layer both towers use."""

from __future__ import annotations

import math
from typing import Any

import jax
from flax import nnx
from jaxtyping import Array, Float

from vlp.models.compute import Compute


def flat_dot_general(
    x: Float[Array, "*batch inputs"], kernel: Float[Array, "inputs outputs"], *_: Any, **options: Any
) -> Float[Array, "*batch outputs"]:
    """Multiplies as `dot_general` does, with the leading axes as one axis meanwhile.

    The weight gradient then contracts a single axis; over two of them XLA's CPU back end takes up to twice as long.
    """
    flat = x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
    product = jax.lax.dot_general(flat, kernel, (((1,), (0,)), ((), ())), **options)
    return product.reshape(*x.shape[:-1], kernel.shape[-1])


def linear(
    inputs: int, outputs: int, *, std: float, compute: Compute, rngs: nnx.Rngs, use_bias: bool = True
) -> nnx.Linear:
    """Builds a linear layer with normally distributed initial weights.

    Args:
      inputs: width of the last axis it takes.
      outputs: width it gives.
      std: of the initial weights.
      compute: dtype of the product; the parameters are float32.
      rngs: where initial values come from.
      use_bias: whether it adds a learned bias, zero at first.
    """
    return nnx.Linear(
        inputs,
        outputs,
        use_bias=use_bias,
        kernel_init=nnx.initializers.normal(std),
        dtype=compute.dtype,
        dot_general=flat_dot_general,
        rngs=rngs,
    )
