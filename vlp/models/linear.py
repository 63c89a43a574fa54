"""The linear layer both towers use, and the place in it for an adapter."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
from flax import nnx
from jaxtyping import Array, Float

from vlp.models.compute import Compute
from vlp.models.shared import for_all


def flat_dot_general(
    x: Float[Array, "*batch inputs"], kernel: Float[Array, "inputs outputs"], *_: Any, **options: Any
) -> Float[Array, "*batch outputs"]:
    """Multiplies as `dot_general` does, with the leading axes as one axis meanwhile.

    The weight gradient then contracts a single axis; over two of them XLA's CPU back end takes up to twice as long.
    """
    flat = x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
    product = jax.lax.dot_general(flat, kernel, (((1,), (0,)), ((), ())), **options)
    return product.reshape(*x.shape[:-1], kernel.shape[-1])


class Linear(nnx.Linear):
    """Multiplies by a kernel and adds a bias; what an adapter makes of that comes out, where there is one.

    Attributes:
      adapter: maps (inputs, outputs) to outputs; see `vlp.models.adapters`.
    """

    adapter: Callable[[Array, Array], Array] | None = None

    def __call__(
        self, inputs: Float[Array, "*batch inputs"], out_sharding: Any = None
    ) -> Float[Array, "*batch outputs"]:
        inputs, kernel = self.promote_dtype((inputs, self.kernel[...]), dtype=self.dtype)
        outputs = self.dot_general(inputs, kernel, out_sharding=out_sharding)
        if self.bias is not None:
            outputs = outputs + for_all(self.bias, outputs.shape, outputs.dtype)
        return outputs if self.adapter is None else self.adapter(inputs, outputs)


def linear(
    inputs: int, outputs: int, *, std: float, compute: Compute, rngs: nnx.Rngs, use_bias: bool = True
) -> Linear:
    """Builds a linear layer with normally distributed initial weights.

    Args:
      inputs: width of the last axis it takes.
      outputs: width it gives.
      std: of the initial weights.
      compute: dtype of the product; the parameters are float32.
      rngs: where initial values come from.
      use_bias: whether it adds a learned bias, zero at first.
    """
    return Linear(
        inputs,
        outputs,
        use_bias=use_bias,
        kernel_init=nnx.initializers.normal(std),
        dtype=compute.dtype,
        dot_general=flat_dot_general,
        rngs=rngs,
    )
