"""The head of self-distillation: cosines of a bottleneck's unit vectors with learned prototypes."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from vlp.kernels.unit import unit
from vlp.models.compute import Compute
from vlp.models.heads import MlpHead


class DistillationHead(nnx.Module):
    """An MLP with GELU, rows to length one, and a last layer whose weights have length one too.

    DINO (arXiv 2104.14294, appendix C): weight normalisation with its gain fixed at one.
    """

    def __init__(self, widths: Sequence[int], prototypes: int, *, compute: Compute, rngs: nnx.Rngs):
        """Builds the layers.

        Args:
          widths: of the input, of each hidden layer, of the bottleneck.
          prototypes: how many scores it gives.
          compute: dtype of the products.
          rngs: where initial values come from.
        """
        self.mlp = MlpHead(
            widths, compute=compute, rngs=rngs, activation=functools.partial(nnx.gelu, approximate=False)
        )
        init = nnx.initializers.normal(widths[-1] ** -0.5)
        self.prototypes = nnx.Param(init(rngs.params(), (prototypes, widths[-1])))
        self.compute = compute

    def __call__(
        self, x: Float[Array, "*batch inputs"], *, frozen: bool | Bool[Array, ""] = False
    ) -> Float[Array, "*batch prototypes"]:
        """Returns scores in [-1, 1], in float32.

        Args:
          x: a tower's pooled output.
          frozen: whether the prototypes are held constant, as DINO has it in its first epoch. Weight decay would not
            change them then: only their direction counts.
        """
        return cosines(self.rows(x), self.columns(frozen=frozen))

    def rows(self, x: Float[Array, "*batch inputs"]) -> Float[Array, "*batch bottleneck"]:
        """Returns the unit vectors of the bottleneck, in the dtype of products."""
        return unit(self.mlp(x)).astype(self.compute.dtype)

    def columns(self, *, frozen: bool | Bool[Array, ""] = False) -> Float[Array, "prototypes bottleneck"]:
        """Returns the prototypes at length one: where scores of all patches were too many, for some at a time."""
        prototypes = self.prototypes[...]
        return unit(jnp.where(frozen, jax.lax.stop_gradient(prototypes), prototypes))


def cosines(
    rows: Float[Array, "*batch bottleneck"], columns: Float[Array, "prototypes bottleneck"]
) -> Float[Array, "*batch prototypes"]:
    """Returns the scores of rows, in float32 or wider; products are of the rows' dtype."""
    wide = jnp.promote_types(rows.dtype, jnp.float32)
    return jnp.matmul(rows, columns.astype(rows.dtype).T, preferred_element_type=wide)
