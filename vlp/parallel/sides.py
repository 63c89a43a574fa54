"""The two sides of a score matrix, and one tile of it."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from input_pipeline.errors import UserError
from vlp.parallel.running import LAST, Best, Matches


class Side(NamedTuple):
    """The rows or the columns of a score matrix.

    Attributes:
      vectors: unit vectors.
      ids: the words of each one's id, which say what matches what; none where row i matches column i and nothing else.
      places: 0, 1, 2, ... over the global batch.
    """

    vectors: Float[Array, "n dim"]
    ids: tuple[Int[Array, " n"], ...]
    places: Int[Array, " n"]

    @property
    def dtype(self) -> jnp.dtype:
        """Returns what losses are computed in."""
        return jnp.promote_types(self.vectors.dtype, jnp.float32)

    def zeros(self) -> Float[Array, "n dim"]:
        """Returns a gradient to add to."""
        return jnp.zeros(self.vectors.shape, self.dtype)

    def cotangent(self, vectors: Float[Array, "n dim"]) -> Any:
        """Returns the gradient as `jax.custom_vjp` wants it: integers have none."""
        return Side(vectors.astype(self.vectors.dtype), None, None)  # type: ignore[arg-type]


def sides(
    rows: Float[Array, "rows dim"],
    columns: Float[Array, "columns dim"],
    ids: tuple[Int[Array, "rows words"], Int[Array, "columns words"]] | None,
) -> tuple[Side, Side]:
    """Returns both sides.

    Raises:
      ValueError: there is nothing to say which column a row matches.
    """
    if ids is None and len(rows) != len(columns):
        raise UserError(f"{len(rows)} rows cannot be paired with {len(columns)} columns: give ids")
    places = [jnp.arange(len(side), dtype=jnp.int32) for side in (rows, columns)]
    # Word by word, for TPUs pad the last axis of an array to 128.
    words = ((), ()) if ids is None else (tuple(ids[0].T), tuple(ids[1].T))
    return Side(rows, words[0], places[0]), Side(columns, words[1], places[1])


def tile_cosines(rows: Side, columns: Side) -> Float[Array, "rows columns"]:
    """Returns the cosines of a tile, in float32 or wider."""
    return jnp.matmul(rows.vectors, columns.vectors.T, preferred_element_type=rows.dtype)


def tile_matches(rows: Side, columns: Side) -> Bool[Array, "rows columns"]:
    """Tells which cells match."""
    return _equal([word[:, None] for word in _words(rows)], _words(columns))


def include_best(best: Best, scores: Float[Array, "rows columns"], rows: Side, columns: Side) -> Best:
    """Returns the rows' best columns after a tile."""
    highest = scores.max(axis=1)
    column = jnp.where(scores == highest[:, None], jnp.arange(scores.shape[1]), LAST).min(axis=1)
    hit = _equal(_words(rows), [word[column] for word in _words(columns)])
    return best.better(Best(highest, columns.places[column], hit))


def _words(side: Side) -> Sequence[Int[Array, " n"]]:
    return side.ids or (side.places,)


def _equal(rows: Sequence[Array], columns: Sequence[Array]) -> Array:
    return functools.reduce(
        jnp.logical_and, (row == column for row, column in zip(rows, columns, strict=True))
    )


def include_row_matches(
    matches: Matches, scores: Float[Array, "rows columns"], rows: Side, columns: Side
) -> Matches:
    """Returns the rows' matches after a tile; a pair is looked up, for comparing every cell would be one more pass."""
    if not rows.ids:
        return matches.include_pairs(scores, rows.places, columns.places[0])
    return matches.include(scores, tile_matches(rows, columns), axis=1)
