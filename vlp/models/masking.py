"""Which patches are hidden from a tower: exact numbers of them, scattered or in blocks."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from vlp.randomness import fold_in_name

BLOCKS = 8  # that are laid out one after the other; what they leave open is filled with single patches
SMALLEST = 4  # patches of a block
ASPECT = 0.3  # of the flattest block


def hidden_patches(
    key: PRNGKeyArray, shares: Float[Array, " rows"], side: int, *, blocks: bool
) -> Bool[Array, "rows patches"]:
    """Draws which patches each row hides: exactly floor(share * patches) of them.

    Args:
      key: of the draw.
      shares: of patches, a row each.
      side: patches of a row or column of an image.
      blocks: whether rectangles are hidden first, of random size, shape and place (BEiT, arXiv 2106.08254, algorithm 1,
        the last one cut short); else each patch as likely as any other.
    """
    rows, patches = len(shares), side * side
    counts = jnp.floor(shares * patches + 1e-4)
    order = jax.random.uniform(fold_in_name(key, "order"), (rows, patches))
    if blocks:
        order = order + _first_block(fold_in_name(key, "blocks"), counts, side).reshape(rows, patches)
    ranks = jnp.argsort(jnp.argsort(order, axis=1), axis=1)
    return ranks < counts[:, None]


def _first_block(
    key: PRNGKeyArray, counts: Float[Array, " rows"], side: int
) -> Float[Array, "rows side side"]:
    """The number of the first block that covers each patch."""
    size, shape, top, left = jax.random.uniform(key, (4, len(counts), BLOCKS))
    area = SMALLEST + size * jnp.maximum(counts[:, None] - SMALLEST, 0.0)
    aspect = jnp.exp((2.0 * shape - 1.0) * jnp.log(1.0 / ASPECT))
    height, width = (jnp.clip(jnp.round(jnp.sqrt(area * a)), 1, side) for a in (aspect, 1.0 / aspect))
    top, left = jnp.floor(top * (side - height + 1)), jnp.floor(left * (side - width + 1))
    places = jnp.arange(side)

    def within(first: Array, length: Array) -> Bool[Array, "rows blocks side"]:
        return (places >= first[..., None]) & (places < (first + length)[..., None])

    covered = within(top, height)[..., :, None] & within(left, width)[..., None, :]
    numbers = jnp.arange(BLOCKS, dtype=jnp.float32)[None, :, None, None]
    return jnp.where(covered, numbers, float(BLOCKS)).min(axis=1)
