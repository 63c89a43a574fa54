"""Exact contrastive losses whose score matrix exists one tile at a time, on one device or around a ring of them.

A tile is formed once in the forward and once more in the backward pass and read in both directions: a row's
log-normaliser is merged over the ring's devices, a column's over chunks and devices. Memory is O(batch x dim) plus one
tile of `chunk` rows.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from vlp.kernels.loss import Loss
from vlp.parallel.running import Best, Matches, Normaliser
from vlp.parallel.tiles import SPLIT, WHOLE, over_batch_axes, sweep


class Contrast(NamedTuple):
    """Both directions of a contrastive loss, and what its users watch.

    Attributes:
      rows: each row against all columns.
      columns: each column against all rows.
      metrics: `accuracy` of each row's best column, mean `positive_cosine` and `negative_cosine`; without gradient.
    """

    rows: Loss
    columns: Loss
    metrics: dict[str, Float[Array, ""]]


class Embeddings(NamedTuple):
    """One side of a score matrix.

    Attributes:
      vectors: unit vectors.
      ids: the words of each one's id, which say what matches what; none where row i matches column i and nothing else.
      places: 0, 1, 2, ... over the global batch.
    """

    vectors: Float[Array, "n dim"]
    ids: tuple[Int[Array, " n"], ...]
    places: Int[Array, " n"]


class Statistics(NamedTuple):
    """What a softmax loss needs of one side.

    Attributes:
      excess: log-sum-exp of the scores minus the mean matching score.
      matches: sum and number of the matching scores.
    """

    excess: Float[Array, " n"]
    matches: Matches


def chunked_softmax(
    rows: Float[Array, "rows dim"],
    columns: Float[Array, "columns dim"],
    scale: Float[Array, ""],
    *,
    chunk: int,
    ids: tuple[Int[Array, "rows words"], Int[Array, "columns words"]] | None = None,
    label_smoothing: float = 0.0,
) -> Contrast:
    """`vlp.kernels.softmax` of scale * rows @ columns.T and of its transpose, without the matrix.

    Under a mesh (`jax.set_mesh`) both sides are split over its data and fsdp axes; the result is that of one device.

    Args:
      rows: unit vectors.
      columns: unit vectors; as many as rows unless there are ids.
      scale: multiplies the cosines.
      chunk: rows of a tile on each device.
      ids: a row matches every column with the same words (UniCL, arXiv 2204.03610); None matches pairs.
      label_smoothing: share of each target spread evenly over all columns, or rows.
    """
    left, right = _sides(rows, columns, ids)
    row_side, column_side, best = _softmax_statistics(chunk, left, right, scale)
    losses = []
    for side, vectors, others in ((row_side, rows, columns), (column_side, columns, rows)):
        mean = side.matches.mean()
        losses_each = side.excess
        if label_smoothing:
            even = scale * (vectors.astype(mean.dtype) @ others.astype(mean.dtype).mean(axis=0))
            losses_each += label_smoothing * (mean - even)
        counted = side.matches.count > 0
        total = jnp.where(counted, losses_each, 0).sum()
        losses.append(Loss(total, counted.sum(dtype=total.dtype)))
    positives = row_side.matches._replace(total=row_side.matches.total / scale)
    return Contrast(losses[0], losses[1], _metrics(left, right, positives, best))


def chunked_sigmoid(
    rows: Float[Array, "rows dim"],
    columns: Float[Array, "columns dim"],
    scale: Float[Array, ""],
    bias: Float[Array, ""],
    *,
    chunk: int,
    ids: tuple[Int[Array, "rows words"], Int[Array, "columns words"]] | None = None,
) -> Contrast:
    """`vlp.kernels.sigmoid` of scale * rows @ columns.T + bias, without the matrix (SigLIP, arXiv 2303.15343).

    Arguments as for `chunked_softmax`. Both directions sum the same cells, counted by rows and by columns.
    """
    left, right = _sides(rows, columns, ids)
    total, positives, best = _sigmoid_total(chunk, left, right, scale, bias)
    losses = (Loss(total, jnp.asarray(len(side), total.dtype)) for side in (rows, columns))
    return Contrast(*losses, _metrics(left, right, positives, best))


def _sides(rows: Array, columns: Array, ids: tuple[Array, Array] | None) -> tuple[Embeddings, Embeddings]:
    if ids is None and len(rows) != len(columns):
        raise ValueError(f"{len(rows)} rows cannot be paired with {len(columns)} columns: give ids")
    left, right = (jnp.arange(len(side), dtype=jnp.int32) for side in (rows, columns))
    # Word by word: TPUs pad the last axis to 128.
    words = ((), ()) if ids is None else (tuple(ids[0].T), tuple(ids[1].T))
    return Embeddings(rows, words[0], left), Embeddings(columns, words[1], right)


def _metrics(
    rows: Embeddings, columns: Embeddings, positives: Matches, best: Int[Array, " rows"]
) -> dict[str, Float[Array, ""]]:
    hits = _all_equal(rows, jax.tree.map(lambda x: x[best], columns._replace(vectors=())))
    total, count = positives.total.sum(), positives.count.sum()
    everything = jnp.vdot(*(side.vectors.astype(total.dtype).sum(axis=0) for side in (rows, columns)))
    negatives = jnp.maximum(len(rows.places) * len(columns.places) - count, 1.0)
    metrics = {
        "accuracy": hits.mean(dtype=jnp.float32),
        "positive_cosine": total / jnp.maximum(count, 1.0),
        "negative_cosine": (everything - total) / negatives,
    }
    return jax.lax.stop_gradient(metrics)


def _cosines(rows: Embeddings, columns: Embeddings) -> Float[Array, "rows columns"]:
    dtype = jnp.promote_types(rows.vectors.dtype, jnp.float32)
    return jnp.matmul(rows.vectors, columns.vectors.T, preferred_element_type=dtype)


def _all_equal(rows: Embeddings, columns: Embeddings) -> Bool[Array, "..."]:
    pairs = zip(rows.ids or (rows.places,), columns.ids or (columns.places,), strict=True)
    return functools.reduce(jnp.logical_and, (row == column for row, column in pairs))


def _same(rows: Embeddings, columns: Embeddings) -> Bool[Array, "rows columns"]:
    return _all_equal(jax.tree.map(lambda x: x[:, None], rows._replace(vectors=())), columns)


def _matches(
    matches: Matches, scores: Float[Array, "rows columns"], rows: Embeddings, columns: Embeddings
) -> Matches:
    """The rows' matches after a tile; a pair is looked up, for comparing every cell would be another pass."""
    if not rows.ids:
        return matches.include_pairs(scores, rows.places, columns.places[0])
    return matches.include(scores, _same(rows, columns), axis=1)


def _zeros_like(side: Embeddings) -> Float[Array, "n dim"]:
    return jnp.zeros(side.vectors.shape, jnp.promote_types(side.vectors.dtype, jnp.float32))


def _no_gradient(side: Embeddings, vectors: Array) -> Embeddings:
    """The cotangent of one side; integers have none."""
    return Embeddings(vectors.astype(side.vectors.dtype), None, None)  # type: ignore[arg-type]


# Softmax ---------------------------------------------------------------------------------------------------------


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _softmax_statistics(
    chunk: int, rows: Embeddings, columns: Embeddings, scale: Float[Array, ""]
) -> tuple[Statistics, Statistics, Int[Array, " rows"]]:
    return _softmax_forward(chunk, rows, columns, scale)[0]


def _softmax_forward(chunk: int, rows: Embeddings, columns: Embeddings, scale: Float[Array, ""]):
    """The statistics of both sides and each row's best column; the log-normalisers are kept for the backward pass."""

    def on_device(axes, rows, columns, scale):
        dtype = jnp.promote_types(rows.vectors.dtype, jnp.float32)
        pairs, (n, m) = not rows.ids, (len(rows.places), len(columns.places))

        def visit(rows, row_state, columns, column_state):
            normaliser, matches, best = row_state
            across, column_matches = column_state
            scores = scale.astype(dtype) * _cosines(rows, columns)
            row_state = (
                normaliser.include(scores, axis=1),
                _matches(matches, scores, rows, columns),
                best.include(scores, columns.places),
            )
            if not pairs:
                column_matches = column_matches.include(scores, _same(rows, columns), axis=0)
            return row_state, (across.include(scores, axis=0), column_matches)

        row_state = (Normaliser.empty(n, dtype), Matches.empty(n, dtype), Best.empty(n, dtype))
        column_state = (Normaliser.empty(m, dtype), None if pairs else Matches.empty(m, dtype))
        row_state, column_state = sweep(visit, rows, row_state, columns, column_state, chunk=chunk, axes=axes)
        (normaliser, matches, best), (across, column_matches) = row_state, column_state
        column_matches = column_matches or matches
        sides = [
            (Statistics(one.log_above(found.mean()), found), one.log())
            for one, found in ((normaliser, matches), (across, column_matches))
        ]
        return sides, best.place

    ((row_side, row_log), (column_side, column_log)), best = over_batch_axes(
        on_device, (rows, columns, scale), (SPLIT, SPLIT, WHOLE), SPLIT
    )
    residuals = (rows, columns, scale, row_log, column_log, row_side.matches.count, column_side.matches.count)
    return (row_side, column_side, best), residuals


def _softmax_backward(chunk, residuals, cotangents):
    """The scores once more, tile by tile, and their gradient at once for rows, columns and scale."""
    rows, columns, scale, row_log, column_log, row_count, column_count = residuals
    row_cotangent, column_cotangent, _ = cotangents

    def factors(cotangent, log, count):
        on_matches = cotangent.matches.total - cotangent.excess / jnp.maximum(count, 1.0)
        return log, cotangent.excess, on_matches

    def on_device(axes, rows, row_factors, columns, column_factors, scale):
        def visit(rows, row_gradient, columns, column_gradient):
            (rows, (row_log, on_row, on_row_matches)), (columns, (column_log, on_column, on_column_matches)) = (
                rows,
                columns,
            )
            scores = scale.astype(row_log.dtype) * _cosines(rows, columns)
            gradient = on_row[:, None] * jnp.exp(scores - row_log[:, None])
            gradient += on_column * jnp.exp(scores - column_log)
            gradient += jnp.where(_same(rows, columns), on_row_matches[:, None] + on_column_matches, 0)
            return (
                row_gradient + gradient @ columns.vectors,
                column_gradient + jnp.matmul(gradient.T, rows.vectors),
            )

        row_gradient, column_gradient = sweep(
            visit,
            (rows, row_factors),
            _zeros_like(rows),
            (columns, column_factors),
            _zeros_like(columns),
            chunk=chunk,
            axes=axes,
        )
        on_scale = jax.lax.psum((row_gradient * rows.vectors).sum(), axes)
        return scale * row_gradient, scale * column_gradient, on_scale

    on_rows, on_columns, on_scale = over_batch_axes(
        on_device,
        (
            rows,
            factors(row_cotangent, row_log, row_count),
            columns,
            factors(column_cotangent, column_log, column_count),
            scale,
        ),
        (SPLIT, SPLIT, SPLIT, SPLIT, WHOLE),
        (SPLIT, SPLIT, WHOLE),
    )
    return _no_gradient(rows, on_rows), _no_gradient(columns, on_columns), on_scale.astype(scale.dtype)


_softmax_statistics.defvjp(_softmax_forward, _softmax_backward)


# Sigmoid ---------------------------------------------------------------------------------------------------------


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _sigmoid_total(
    chunk: int, rows: Embeddings, columns: Embeddings, scale: Float[Array, ""], bias: Float[Array, ""]
) -> tuple[Float[Array, ""], Matches, Int[Array, " rows"]]:
    """The sum over all cells, the rows' matching cosines and best columns."""
    return _sigmoid_sweep(chunk, rows, columns, scale, bias, differentiate=False)[0]


def _sigmoid_sweep(chunk, rows, columns, scale, bias, *, differentiate=True):
    """No normaliser to wait for: the gradient of a cell is known with its score, so one pass does both."""

    def on_device(axes, rows, columns, scale, bias):
        dtype = jnp.promote_types(rows.vectors.dtype, jnp.float32)
        n = len(rows.places)

        def visit(rows, row_state, columns, column_gradient):
            total, slope, matches, best, row_gradient = row_state
            cosines, same = _cosines(rows, columns), _same(rows, columns)
            scores = scale.astype(dtype) * cosines + bias.astype(dtype)
            total += jax.nn.softplus(jnp.where(same, -scores, scores)).sum(axis=1)
            if differentiate:
                gradient = jnp.where(same, -jax.nn.sigmoid(-scores), jax.nn.sigmoid(scores))
                slope += gradient.sum(axis=1)
                row_gradient += gradient @ columns.vectors
                column_gradient += jnp.matmul(gradient.T, rows.vectors)
            matches = _matches(matches, cosines, rows, columns)
            return (total, slope, matches, best.include(cosines, columns.places), row_gradient), column_gradient

        zeros = jnp.zeros(n, dtype)
        gradients = (_zeros_like(rows), _zeros_like(columns)) if differentiate else (None, None)
        row_state = (zeros, zeros, Matches.empty(n, dtype), Best.empty(n, dtype), gradients[0])
        (total, slope, matches, best, on_rows), on_columns = sweep(
            visit, rows, row_state, columns, gradients[1], chunk=chunk, axes=axes
        )
        result = (jax.lax.psum(total.sum(), axes), matches, best.place)
        if not differentiate:
            return result, None
        on_scale = jax.lax.psum((on_rows * rows.vectors).sum(), axes)
        return result, (scale * on_rows, scale * on_columns, on_scale, jax.lax.psum(slope.sum(), axes))

    gradient_specs = (SPLIT, SPLIT, WHOLE, WHOLE) if differentiate else None
    return over_batch_axes(
        on_device,
        (rows, columns, scale, bias),
        (SPLIT, SPLIT, WHOLE, WHOLE),
        ((WHOLE, SPLIT, SPLIT), gradient_specs),
    )


def _sigmoid_forward(chunk, rows, columns, scale, bias):
    result, gradients = _sigmoid_sweep(chunk, rows, columns, scale, bias)
    return result, (rows, columns, scale, bias, gradients)


def _sigmoid_backward(chunk, residuals, cotangents):
    del chunk
    rows, columns, scale, bias, gradients = residuals
    on_rows, on_columns, on_scale, on_bias = (cotangents[0] * gradient for gradient in gradients)
    return (
        _no_gradient(rows, on_rows),
        _no_gradient(columns, on_columns),
        on_scale.astype(scale.dtype),
        on_bias.astype(bias.dtype),
    )


_sigmoid_total.defvjp(_sigmoid_forward, _sigmoid_backward)
