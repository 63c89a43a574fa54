"""Parameters that all examples share, in the precision of the towers: their gradients are added up in float32.

A parameter that is cast and then used by every token has a gradient that is a sum over all tokens. In bfloat16, which
has eight bits, such a sum stands still as soon as it is 256 times what is added: of 4,096 ones it makes 256.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int


def for_all(
    parameter: Float[Array, "*own"] | nnx.Param[Array], shape: tuple[int, ...], dtype: jnp.dtype
) -> Float[Array, "*shape"]:
    """Broadcasts a parameter, or what was made of some, and casts it then: as the other way round, but what flows back
    is added up before the cast."""
    values = parameter[...] if isinstance(parameter, nnx.Param) else parameter
    return jnp.broadcast_to(values.astype(jnp.promote_types(values.dtype, jnp.float32)), shape).astype(dtype)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def looked_up(
    table: Float[Array, "rows width"], ids: Int[Array, "*batch"], dtype: jnp.dtype
) -> Float[Array, "*batch width"]:
    """Takes rows of a table, cast; the gradient of a row that many take is their sum in the table's precision.

    The cast comes first, so that of a table that lies on several devices half the bytes are gathered.
    """
    return jnp.take(table.astype(dtype), ids, axis=0)


def _looked_up(table: Array, ids: Array, dtype: jnp.dtype) -> tuple[Array, tuple[Array, Array]]:
    return looked_up(table, ids, dtype), (table, ids)


def _to_table(dtype: jnp.dtype, kept: tuple[Array, Array], rows: Array) -> tuple[Array, None]:
    table, ids = kept
    return jnp.zeros_like(table).at[ids].add(rows.astype(table.dtype)), None


looked_up.defvjp(_looked_up, _to_table)


class Embedding(nnx.Embed):
    """Rows of a table by token id."""

    def __call__(self, ids: Int[Array, "*batch"], out_sharding: None = None) -> Float[Array, "*batch width"]:
        return looked_up(self.embedding[...], ids, self.dtype)
