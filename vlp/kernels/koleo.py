"""The Kozachenko-Leonenko estimator: rows that are spread over the sphere (arXiv 1806.03198, equation 2)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from vlp.kernels.loss import Loss
from vlp.kernels.unit import unit

EPSILON = 1e-8
CHUNK = 1024  # rows whose cosines with all others are there at a time


def koleo(rows: Float[Array, "rows dim"], *, nearest: int = 1, group: int = 0) -> Loss:
    """Returns minus the logarithm of each unit row's distance from its nearest others (DINOv2, DINOv3).

    Args:
      rows: of any length above zero.
      nearest: how many others; of several, the mean.
      group: so many rows at a time look for others among themselves; 0 = all. It has to divide them.

    Returns:
      The sum over rows and their nearest, in float32 or wider, and how many these are.
    """
    rows = unit(rows)
    grouped = rows.reshape(-1, group or len(rows), rows.shape[1])
    neighbours = jax.vmap(lambda rows: rows[_nearest(jax.lax.stop_gradient(rows), nearest)])(grouped)
    distances = jnp.linalg.norm(grouped[:, :, None] - neighbours + EPSILON, axis=-1)
    return Loss(-jnp.log(distances + EPSILON).sum(), jnp.asarray(len(rows) * nearest, rows.dtype))


def _nearest(rows: Float[Array, "rows dim"], count: int) -> Int[Array, "rows count"]:
    """The numbers of the rows with the greatest cosines, but itself."""

    def one(numbered: tuple[Array, Array]) -> Int[Array, " count"]:
        row, number = numbered
        cosines = jnp.where(jnp.arange(len(rows)) == number, -jnp.inf, rows @ row)
        return jax.lax.top_k(cosines, count)[1]

    return jax.lax.map(one, (rows, jnp.arange(len(rows))), batch_size=CHUNK)
