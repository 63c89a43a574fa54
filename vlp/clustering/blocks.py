"""What one device computes: for a block of points, the best of many centres, block of centres by block of centres.

A squared distance is |x|^2 - 2 (x.c - |c|^2 / 2), so the nearest centre is the one of the greatest score
x.c - |c|^2 / 2. Scores stand as centres x points: reducing the leading axis is what every backend vectorises.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

NO_CENTRE = jnp.inf  # half norm of a row that only fills up the last block
MOST = 1 << 15  # centres of a block: as many times as many is what an int32 counts


class CentreBlocks(NamedTuple):
    """Centres cut into blocks of equal size; `half_norms` is |c|^2 / 2, infinite for rows that fill up."""

    rows: Float[Array, "blocks block dim"]
    half_norms: Float[Array, "blocks block"]


class Leaders(NamedTuple):
    """Per point: the greatest score, where it stands, and whether another comes too near to it to tell them apart.

    Where one does, `place` says nothing.
    """

    best: Float[Array, " n"]
    place: Int[Array, " n"]
    unsure: Bool[Array, " n"]


def cut(centres: Float[Array, "k dim"], half_norms: Float[Array, " k"], block: int) -> CentreBlocks:
    """Blocks of `block` centres; k must be a multiple of it."""
    return CentreBlocks(centres.reshape(-1, block, centres.shape[1]), half_norms.reshape(-1, block))


def leaders(
    points: Float[Array, "n dim"],
    centres: CentreBlocks,
    limits: Float[Array, " n"],
    *,
    block: int,
    dtype: jnp.dtype,
) -> Leaders:
    """Returns the best centre of each point; in float32, of equal ones the first.

    Args:
      points: n is a multiple of `block`.
      centres: all that this device holds, in blocks of at most `MOST`.
      limits: how much scores in bfloat16 must differ to be told apart, see `doubt`; float32 takes them as they are.
      block: points whose scores exist at a time, beside those of one block of centres.
      dtype: of the product; it is accumulated in float32.
    """
    rows = centres.rows.astype(dtype)
    tiles = points.reshape(-1, block, points.shape[1]).astype(dtype)
    found = lax.map(
        lambda both: _leaders_of_tile(both[0], both[1], CentreBlocks(rows, centres.half_norms)),
        (tiles, limits.reshape(-1, block)),
    )
    return jax.tree.map(lambda part: part.reshape(-1), found)


def _leaders_of_tile(
    tile: Float[Array, "t dim"], limits: Float[Array, " t"], centres: CentreBlocks
) -> Leaders:
    blocks, size, _ = centres.rows.shape
    of_block = _clear_leaders if tile.dtype == jnp.bfloat16 else _first_leaders

    def scan(so_far: Leaders, block: tuple) -> tuple[Leaders, None]:
        rows, half_norms, start = block
        found = of_block(_scores(rows, half_norms, tile), limits)
        return better(so_far, found._replace(place=start + found.place), limits), None

    nothing = jnp.full(tile.shape[0], -jnp.inf, jnp.float32)
    first = Leaders(nothing, jnp.zeros(tile.shape[0], jnp.int32), jnp.zeros(tile.shape[0], bool))
    starts = jnp.arange(blocks, dtype=jnp.int32) * size
    return lax.scan(scan, first, (centres.rows, centres.half_norms, starts))[0]


def _first_leaders(scores: Float[Array, "block t"], _: Float[Array, " t"]) -> Leaders:
    places = lax.broadcasted_iota(jnp.int32, scores.shape, 0)
    best = scores.max(axis=0)
    # Comparing with the maximum costs a fraction of argmax, which no backend vectorises as well.
    place = jnp.where(scores == best, places, len(scores) - 1).min(axis=0)
    return Leaders(best, place, jnp.zeros(best.shape, bool))


def _clear_leaders(scores: Float[Array, "block t"], limits: Float[Array, " t"]) -> Leaders:
    """One sum says how many are near the best and, of one alone, where it is: a pass less over the scores than to look
    for the place and then for the second."""
    places = lax.broadcasted_iota(jnp.int32, scores.shape, 0)
    best, one = scores.max(axis=0), 1 << (len(scores) - 1).bit_length()
    near = jnp.where(scores >= best - limits, one + places, 0).sum(axis=0)
    return Leaders(best, near & (one - 1), near >= 2 * one)


def _scores(
    rows: Float[Array, "block dim"], half_norms: Float[Array, " block"], tile: Float[Array, "t dim"]
) -> Float[Array, "block t"]:
    precision = lax.Precision.HIGHEST if tile.dtype == jnp.float32 else lax.Precision.DEFAULT
    product = jnp.einsum("kd,td->kt", rows, tile, precision=precision, preferred_element_type=jnp.float32)
    return product - half_norms[:, None]


def better(one: Leaders, other: Leaders, limits: Float[Array, " n"]) -> Leaders:
    """Returns the better of two sets of centres, `one` standing first: its leader wins a tie."""
    ahead = other.best > one.best
    near = jnp.abs(one.best - other.best) <= limits
    return Leaders(
        best=jnp.maximum(one.best, other.best),
        place=jnp.where(ahead, other.place, one.place),
        unsure=near | jnp.where(ahead, other.unsure, one.unsure),
    )


def doubt(points: Float[Array, "n dim"], longest: Float[Array, ""]) -> Float[Array, " n"]:
    """Returns by how much two scores of a point must differ to be told apart after rounding to bfloat16.

    Rounding changes each product by at most 2^-8 of itself, so a score by at most 2^-8 |x| |c|; its standard deviation
    is below 2^-9 |x| |c| / sqrt(dim) where no few coordinates dominate. The limit is six of those, or the bound on
    a difference if that is less.

    Args:
      points: shifted as the scores were.
      longest: norm of the longest centre.
    """
    share = min(2.0**-7, 6 * math.sqrt(2) * 2.0**-9 / math.sqrt(points.shape[1]))
    return share * longest * jnp.linalg.norm(points, axis=1)


def top_centres(
    points: Float[Array, "n dim"], centres: CentreBlocks, count: int, *, block: int
) -> tuple[Float[Array, "n count"], Int[Array, "n count"]]:
    """Returns the `count` best scores of each point, in float32 and descending, and where they stand."""
    tiles = points.reshape(-1, block, points.shape[1])
    scores, index = lax.map(lambda tile: _top_of_tile(tile, centres, count), tiles)
    return scores.reshape(-1, count), index.reshape(-1, count)


def _top_of_tile(tile: Float[Array, "t dim"], centres: CentreBlocks, count: int) -> tuple[Array, Array]:
    blocks, size, _ = centres.rows.shape

    def scan(so_far: tuple[Array, Array], block: tuple) -> tuple[tuple[Array, Array], None]:
        rows, half_norms, start = block
        scores, index = lax.top_k(_scores(rows, half_norms, tile).T, min(count, size))
        return best_of(*so_far, scores, start + index), None

    first = (
        jnp.full((tile.shape[0], count), -jnp.inf, jnp.float32),
        jnp.zeros((tile.shape[0], count), jnp.int32),
    )
    starts = jnp.arange(blocks, dtype=jnp.int32) * size
    return lax.scan(scan, first, (centres.rows, centres.half_norms, starts))[0]


def best_of(
    scores: Float[Array, "n a"], index: Int[Array, "n a"], more: Float[Array, "n b"], where: Int[Array, "n b"]
) -> tuple[Float[Array, "n a"], Int[Array, "n a"]]:
    """Returns the `a` best of two lists a point; of equal scores those of the first list."""
    both, places = jnp.concatenate([scores, more], axis=1), jnp.concatenate([index, where], axis=1)
    best, chosen = lax.top_k(both, scores.shape[1])
    return best, jnp.take_along_axis(places, chosen, axis=1)
