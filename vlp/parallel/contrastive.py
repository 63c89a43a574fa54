"""Exact contrastive losses whose score matrix exists one tile at a time, on one device or around a ring of them.

A tile is formed once in the forward and, for softmax, once more in the backward pass, and read in both directions: a
row's log-normaliser is merged over the ring's devices, a column's over chunks and devices. Memory is O(batch x dim)
plus one tile of `chunk` rows.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from vlp.kernels.loss import Loss
from vlp.parallel.running import Matches
from vlp.parallel.sides import Side, sides
from vlp.parallel.sigmoid_tiles import sigmoid_total
from vlp.parallel.softmax_tiles import softmax_statistics


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


def chunked_softmax(
    rows: Float[Array, "rows dim"],
    columns: Float[Array, "columns dim"],
    scale: Float[Array, ""],
    *,
    chunk: int,
    ids: tuple[Int[Array, "rows words"], Int[Array, "columns words"]] | None = None,
    label_smoothing: float = 0.0,
) -> Contrast:
    """Returns `vlp.kernels.softmax` of scale * rows @ columns.T and of its transpose, without the matrix.

    Under a mesh (`jax.set_mesh`) both sides are split over its data and fsdp axes; the result is that of one device.

    Args:
      rows: unit vectors.
      columns: unit vectors; as many as rows unless there are ids.
      scale: multiplies the cosines.
      chunk: rows of a tile on each device.
      ids: a row matches every column with the same words (UniCL, arXiv 2204.03610); None matches pairs.
      label_smoothing: share of each target spread evenly over all columns, or rows.
    """
    left, right = sides(rows, columns, ids)
    of_rows, of_columns, hits = softmax_statistics(chunk, left, right, scale)
    losses = []
    for side, vectors, others in ((of_rows, rows, columns), (of_columns, columns, rows)):
        each = side.excess
        if label_smoothing:
            even = scale * (vectors.astype(each.dtype) @ others.astype(each.dtype).mean(axis=0))
            each += label_smoothing * (side.matches.mean() - even)
        has_positive = side.matches.number > 0
        losses.append(Loss(jnp.where(has_positive, each, 0.0).sum(), has_positive.sum(dtype=each.dtype)))
    positives = Matches(of_rows.matches.total / scale, of_rows.matches.number)
    return Contrast(losses[0], losses[1], _metrics(left, right, positives, hits))


def chunked_sigmoid(
    rows: Float[Array, "rows dim"],
    columns: Float[Array, "columns dim"],
    scale: Float[Array, ""],
    bias: Float[Array, ""],
    *,
    chunk: int,
    ids: tuple[Int[Array, "rows words"], Int[Array, "columns words"]] | None = None,
) -> Contrast:
    """Returns `vlp.kernels.sigmoid` of scale * rows @ columns.T + bias, without the matrix (SigLIP, arXiv 2303.15343).

    Arguments as for `chunked_softmax`. Both directions sum the same cells, and count rows or columns.
    """
    left, right = sides(rows, columns, ids)
    total, positives, hits = sigmoid_total(chunk, left, right, scale, bias)
    of_rows, of_columns = (Loss(total, jnp.asarray(len(side), total.dtype)) for side in (rows, columns))
    return Contrast(of_rows, of_columns, _metrics(left, right, positives, hits))


def _metrics(
    rows: Side, columns: Side, positives: Matches, hits: Bool[Array, " rows"]
) -> dict[str, Float[Array, ""]]:
    """Figures of the matrix from its factors: the sum of all cosines is one dot product of two sums."""
    total, count = positives.total.sum(), positives.number.sum()
    everything = jnp.vdot(*(side.vectors.astype(total.dtype).sum(axis=0) for side in (rows, columns)))
    # As floats: from 46,341 pairs on, the cells are more than 32 bits count.
    negatives = float(len(rows.places) * len(columns.places)) - count
    metrics = {
        "accuracy": hits.mean(dtype=jnp.float32),
        "positive_cosine": total / jnp.maximum(count, 1.0),
        "negative_cosine": (everything - total) / jnp.maximum(negatives, 1.0),
    }
    return jax.lax.stop_gradient(metrics)
