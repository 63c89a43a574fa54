"""The sum of a sigmoid loss over all cells, tile by tile, with its gradient."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from vlp.parallel.running import Best, Matches
from vlp.parallel.sides import Side, include_best, include_row_matches, tile_cosines, tile_matches
from vlp.parallel.tiles import SPLIT, WHOLE, over_batch_axes, sweep


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def sigmoid_total(
    chunk: int, rows: Side, columns: Side, scale: Float[Array, ""], bias: Float[Array, ""]
) -> tuple[Float[Array, ""], Matches, Bool[Array, " rows"]]:
    """Returns the sum over the cells of scale * cosines + bias, the rows' matching cosines, and whether their best ones
    match.

    Args:
      chunk: rows of a tile.
      rows: one side.
      columns: the other.
      scale: multiplies the cosines.
      bias: is added to every score.
    """
    return _sweep(chunk, False, rows, columns, scale, bias)[0]


def _forward(
    chunk: int, rows: Side, columns: Side, scale: Float[Array, ""], bias: Float[Array, ""]
) -> tuple[Any, Any]:
    """There is no normaliser to wait for: a cell's gradient is known with its score, so that one pass does both."""
    result, gradients = _sweep(chunk, True, rows, columns, scale, bias)
    return result, (rows, columns, scale, bias, gradients)


def _backward(chunk: int, residuals: Any, cotangents: Any) -> tuple[Any, Any, Array, Array]:
    del chunk
    rows, columns, scale, bias, gradients = residuals
    on_rows, on_columns, on_scale, on_bias = (cotangents[0] * gradient for gradient in gradients)
    return (
        rows.cotangent(on_rows),
        columns.cotangent(on_columns),
        on_scale.astype(scale.dtype),
        on_bias.astype(bias.dtype),
    )


sigmoid_total.defvjp(_forward, _backward)


def _sweep(
    chunk: int,
    differentiate: bool,
    rows: Side,
    columns: Side,
    scale: Float[Array, ""],
    bias: Float[Array, ""],
) -> tuple[Any, Any]:
    return over_batch_axes(
        functools.partial(_on_device, chunk, differentiate),
        (rows, columns, scale, bias),
        (SPLIT, SPLIT, WHOLE, WHOLE),
        ((WHOLE, SPLIT, SPLIT), (SPLIT, SPLIT, WHOLE, WHOLE) if differentiate else None),
    )


def _on_device(
    chunk: int,
    differentiate: bool,
    axes: tuple[str, ...],
    rows: Side,
    columns: Side,
    scale: Float[Array, ""],
    bias: Float[Array, ""],
) -> tuple[Any, Any]:
    """(total, matches, hits) and, if wanted, the gradients for rows, columns, scale and bias."""
    dtype, n = rows.dtype, len(rows.places)

    def visit(rows: Side, row_state: Any, columns: Side, on_columns: Any) -> tuple[Any, Any]:
        total, matches, best, gradients = row_state
        cosines, same = tile_cosines(rows, columns), tile_matches(rows, columns)
        scores = scale.astype(dtype) * cosines + bias.astype(dtype)
        total += jax.nn.softplus(jnp.where(same, -scores, scores)).sum(axis=1)
        if gradients is not None:
            on_scores = jnp.where(same, -jax.nn.sigmoid(-scores), jax.nn.sigmoid(scores))
            gradients = (gradients[0] + on_scores @ columns.vectors, gradients[1] + on_scores.sum(axis=1))
            on_columns = on_columns + on_scores.T @ rows.vectors
        matches = include_row_matches(matches, cosines, rows, columns)
        return (total, matches, include_best(best, cosines, rows, columns), gradients), on_columns

    zeros = jnp.zeros(n, dtype)
    gradients = (rows.zeros(), zeros) if differentiate else None
    row_state = (zeros, Matches.empty(n, dtype), Best.empty(n, dtype), gradients)
    on_columns = columns.zeros() if differentiate else None
    row_state, on_columns = sweep(visit, rows, row_state, columns, on_columns, chunk=chunk, axes=axes)
    total, matches, best, gradients = row_state
    result = (jax.lax.psum(total.sum(), axes), matches, best.hit)
    if gradients is None:
        return result, None
    on_rows, on_bias = gradients
    on_scale = jax.lax.psum((on_rows * rows.vectors).sum(), axes)
    return result, (scale * on_rows, scale * on_columns, on_scale, jax.lax.psum(on_bias.sum(), axes))
