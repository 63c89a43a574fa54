"""Log-normalisers and matches of rows and columns, tile by tile, with their gradient."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from vlp.parallel.running import Best, Matches, Normaliser
from vlp.parallel.sides import Side, include_best, include_row_matches, tile_cosines, tile_matches
from vlp.parallel.tiles import SPLIT, WHOLE, over_batch_axes, sweep


class Statistics(NamedTuple):
    """Holds what a softmax loss needs to know of the rows, or of the columns.

    Attributes:
      excess: log-sum-exp of the scores minus the mean matching score.
      matches: sum and number of the matching scores.
    """

    excess: Float[Array, " n"]
    matches: Matches


class _Factors(NamedTuple):
    """What a cell's gradient is made of: exp(score - maximum) times a number, and where it matches another number."""

    maximum: Float[Array, " n"]
    on_exp: Float[Array, " n"]
    on_matches: Float[Array, " n"]


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def softmax_statistics(
    chunk: int, rows: Side, columns: Side, scale: Float[Array, ""]
) -> tuple[Statistics, Statistics, Bool[Array, " rows"]]:
    """Statistics of the rows and of the columns of scale * cosines, and whether each row's best column matches.

    Args:
      chunk: rows of a tile.
      rows: one side.
      columns: the other.
      scale: multiplies the cosines.
    """
    return _forward(chunk, rows, columns, scale)[0]


def _forward(chunk: int, rows: Side, columns: Side, scale: Float[Array, ""]) -> tuple[Any, Any]:
    on_device = functools.partial(_statistics_on_device, chunk)
    row_side, column_side, normalisers, hits = over_batch_axes(
        on_device, (rows, columns, scale), (SPLIT, SPLIT, WHOLE), SPLIT
    )
    numbers = row_side.matches.number, column_side.matches.number
    return (row_side, column_side, hits), (rows, columns, scale, normalisers, numbers)


def _statistics_on_device(
    chunk: int, axes: tuple[str, ...], rows: Side, columns: Side, scale: Float[Array, ""]
) -> tuple[Statistics, Statistics, tuple[Normaliser, Normaliser], Array]:
    dtype, (n, m) = rows.dtype, (len(rows.places), len(columns.places))

    def visit(rows: Side, row_state: Any, columns: Side, column_state: Any) -> tuple[Any, Any]:
        row_normaliser, row_matches, best = row_state
        column_normaliser, column_matches = column_state
        scores = scale.astype(dtype) * tile_cosines(rows, columns)
        row_state = (
            row_normaliser.include(scores, axis=1),
            include_row_matches(row_matches, scores, rows, columns),
            include_best(best, scores, rows, columns),
        )
        if column_matches is not None:
            column_matches = column_matches.include(scores, tile_matches(rows, columns), axis=0)
        return row_state, (column_normaliser.include(scores, axis=0), column_matches)

    row_state = (Normaliser.empty(n, dtype), Matches.empty(n, dtype), Best.empty(n, dtype))
    # Of pairs, a column's match is its row's.
    column_state = (Normaliser.empty(m, dtype), Matches.empty(m, dtype) if rows.ids else None)
    row_state, column_state = sweep(visit, rows, row_state, columns, column_state, chunk=chunk, axes=axes)
    (row_normaliser, row_matches, best), (column_normaliser, column_matches) = row_state, column_state
    column_matches = column_matches or row_matches
    return (
        Statistics(row_normaliser.log_above(row_matches.mean()), row_matches),
        Statistics(column_normaliser.log_above(column_matches.mean()), column_matches),
        (row_normaliser, column_normaliser),
        best.hit,
    )


def _backward(chunk: int, residuals: Any, cotangents: Any) -> tuple[Any, Any, Array]:
    """The scores once more, tile by tile, and at once their gradient for rows, columns and scale."""
    rows, columns, scale, normalisers, numbers = residuals
    factors = [
        _Factors(
            normaliser.maximum,
            on.excess / normaliser.total,
            on.matches.total - on.excess / jnp.maximum(number, 1.0),
        )
        for on, normaliser, number in zip(cotangents[:2], normalisers, numbers, strict=True)
    ]
    on_rows, on_columns, on_scale = over_batch_axes(
        functools.partial(_gradient_on_device, chunk),
        (rows, factors[0], columns, factors[1], scale),
        (SPLIT, SPLIT, SPLIT, SPLIT, WHOLE),
        (SPLIT, SPLIT, WHOLE),
    )
    return rows.cotangent(on_rows), columns.cotangent(on_columns), on_scale.astype(scale.dtype)


def _gradient_on_device(
    chunk: int,
    axes: tuple[str, ...],
    rows: Side,
    row_factors: _Factors,
    columns: Side,
    column_factors: _Factors,
    scale: Float[Array, ""],
) -> tuple[Array, Array, Array]:
    def visit(row_side: Any, on_rows: Array, column_side: Any, on_columns: Array) -> tuple[Array, Array]:
        (rows, row), (columns, column) = row_side, column_side
        scores = scale.astype(rows.dtype) * tile_cosines(rows, columns)
        on_scores = row.on_exp[:, None] * jnp.exp(scores - row.maximum[:, None])
        on_scores += column.on_exp * jnp.exp(scores - column.maximum)
        if rows.ids:
            matching = row.on_matches[:, None] + column.on_matches
            on_scores += jnp.where(tile_matches(rows, columns), matching, 0)
        return on_rows + on_scores @ columns.vectors, on_columns + on_scores.T @ rows.vectors

    # No gradient needs the places: pairs are on one device, where they are added at the end.
    rows, columns = rows._replace(places=()), columns._replace(places=())  # type: ignore[arg-type]
    on_rows, on_columns = sweep(
        visit,
        (rows, row_factors),
        rows.zeros(),
        (columns, column_factors),
        columns.zeros(),
        chunk=chunk,
        axes=axes,
    )
    if not rows.ids:
        matching = (row_factors.on_matches + column_factors.on_matches)[:, None]
        on_rows, on_columns = on_rows + matching * columns.vectors, on_columns + matching * rows.vectors
    on_scale = jax.lax.psum((on_rows * rows.vectors).sum(), axes)
    return scale * on_rows, scale * on_columns, on_scale


softmax_statistics.defvjp(_forward, _backward)
