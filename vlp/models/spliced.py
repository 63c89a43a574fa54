"""Room for soft tokens among the words of a text, behind the token that begins it."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from vlp.models.text import SoftTokens


class Spliced(NamedTuple):
    """Texts with places for soft tokens, which a text tower takes as they are."""

    ids: Int[Array, "batch length"]
    mask: Bool[Array, "batch length"]
    soft: SoftTokens


def spliced(
    ids: Int[Array, "batch length"],
    mask: Bool[Array, "batch length"],
    values: Float[Array, "batch count width"],
) -> Spliced:
    """Puts vectors between the first token of each text and the rest, of which what is too long is cut; its end stays.

    Args:
      ids: tokens, whose first begins a text and whose last real one ends it.
      mask: which are real, the first ones of each text.
      values: for each text, in the space of the token embedding; fewer than the length allows, by two.
    """
    count, length = values.shape[1], ids.shape[1]
    lengths = mask.sum(axis=1, dtype=jnp.int32)[:, None]
    total = jnp.minimum(lengths + count, length)
    places = jnp.arange(length)[None]
    source = jnp.where(places <= count, 0, places - count)
    source = jnp.where(places == total - 1, lengths - 1, source)
    moved = jnp.take_along_axis(ids, source, axis=1)
    moved = jnp.where(places < total, moved, ids[:, -1:])
    where = jnp.broadcast_to(1 + jnp.arange(count), values.shape[:2])
    return Spliced(moved, places < total, SoftTokens(values, where))
