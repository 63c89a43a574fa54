"""Losses of a score matrix some of its rows at a time, where a kernel's rows know nothing of each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Shaped

from vlp.kernels.loss import Loss
from vlp.kernels.softmax import softmax_at
from vlp.models.micro_batch import micro_batched
from vlp.objectives.targets import same_id

# What some rows should match, and which of their cells count.
Cells = Callable[..., tuple[Float[Array, "rows columns"], Bool[Array, "rows columns"] | None]]


class Watched(NamedTuple):
    """Holds what is watched of each row's cosines, without gradient.

    Attributes:
      hits: whether the best column matches.
      positive: sum of the matching cosines.
      positives: how many they are.
      total: sum of all that count.
      counted: how many they are.
    """

    hits: Bool[Array, " rows"]
    positive: Float[Array, " rows"]
    positives: Float[Array, " rows"]
    total: Float[Array, " rows"]
    counted: Float[Array, " rows"]

    def metrics(self) -> dict[str, Float[Array, ""]]:
        """Returns what shows a healthy contrast or a collapse: accuracy in the batch, mean cosine of positives and
        negatives."""
        positives = self.positives.sum()
        negatives = jnp.maximum(self.counted.sum() - positives, 1.0)
        return {
            "accuracy": self.hits.mean(dtype=jnp.float32),
            "positive_cosine": self.positive.sum() / positives,
            "negative_cosine": (self.total.sum() - self.positive.sum()) / negatives,
        }


def watch(
    cosines: Float[Array, "rows columns"],
    targets: Float[Array, "rows columns"],
    mask: Bool[Array, "rows columns"] | None = None,
) -> Watched:
    """Looks at rows of a matrix.

    Args:
      cosines: of the rows with all columns.
      targets: above zero where they match.
      mask: which cells count; all by default.
    """
    cosines = jax.lax.stop_gradient(cosines)
    counts = jnp.broadcast_to(True if mask is None else mask, cosines.shape)
    best = jnp.where(counts, cosines, -jnp.inf).argmax(axis=1)
    hits = jnp.take_along_axis(targets, best[:, None], axis=1)[:, 0] > 0
    cosines = jnp.where(counts, cosines, 0.0)
    positive = (cosines * targets).sum(axis=1)
    counted = counts.sum(axis=1, dtype=jnp.float32)
    return Watched(hits, positive, targets.sum(axis=1), cosines.sum(axis=1), counted)


def watched(
    rows: Float[Array, "rows dim"],
    columns: Float[Array, "columns dim"],
    ids: tuple[Int[Array, " rows *words"], Int[Array, " columns *words"]],
    *,
    chunk: int,
) -> Watched:
    """Looks at a whole matrix, some of its rows at a time.

    Args:
      rows: unit vectors.
      columns: unit vectors.
      ids: equal where a row and a column match.
      chunk: rows whose cosines exist at a time, over all devices; 0 = all.
    """

    def seen(own: Array, own_ids: Array) -> Watched:
        return watch(own @ columns.T, same_id(own_ids, ids[1]))

    return micro_batched(seen, chunk, rows, ids[0])


def each_row(
    kernel: Callable[..., Loss],
    scores: Float[Array, "rows columns"],
    targets: Float[Array, "rows columns"],
    mask: Bool[Array, "rows columns"] | None = None,
    **options: Any,
) -> Loss:
    """Returns a kernel's loss of each row by itself: what a chunk of rows gives, to be summed with the others."""

    def alone(*row: Array) -> Loss:
        scores, targets, *mask = (one[None] for one in row)
        return kernel(scores, targets, mask=mask[0] if mask else None, **options)

    return jax.vmap(alone)(scores, targets, *(() if mask is None else (mask,)))


def summed(losses: Loss) -> Loss:
    """Returns the loss of all rows, of those of each."""
    return Loss(losses.total.sum(), losses.weight.sum())


def compared(
    kernel: Callable[..., Loss],
    rows: Float[Array, "rows dim"],
    columns: Float[Array, "columns dim"],
    cells: Cells,
    *facts: Shaped[Array, "rows ..."],
    scale: Float[Array, ""] | float = 1.0,
    chunk: int = 0,
) -> tuple[Loss, Watched]:
    """Returns a kernel's loss of all rows, and what is watched of each.

    Args:
      kernel: of scaled cosines, whose rows know nothing of each other.
      rows: unit vectors.
      columns: unit vectors.
      cells: from the facts of some rows to their targets and to which of their cells count; None = all.
      *facts: of each row.
      scale: of cosines.
      chunk: rows whose scores exist at a time, over all devices, forward and backward; 0 = all.
    """

    def some(own: Array, *own_facts: Array) -> tuple[Loss, Watched]:
        targets, mask = cells(*own_facts)
        cosines = jnp.matmul(own, columns.T, preferred_element_type=jnp.promote_types(own.dtype, jnp.float32))
        return each_row(kernel, scale * cosines, targets, mask), watch(cosines, targets, mask)

    losses, seen = micro_batched(some, chunk, rows, *facts)
    return summed(losses), seen


def among_views(
    kernel: Callable[..., Loss],
    views: Float[Array, "views batch dim"],
    cells: Cells,
    *facts: Shaped[Array, "views batch ..."],
    scale: float,
    chunk: int,
) -> tuple[Loss, Watched]:
    """Returns the same of all views against all views of the batch, one view after the other: each device goes through
    examples of its own."""
    columns = views.reshape(-1, views.shape[2])
    parts = [
        compared(kernel, view, columns, cells, *own, scale=scale, chunk=chunk)
        for view, *own in zip(views, *facts, strict=True)
    ]
    losses, seen = zip(*parts, strict=True)
    loss = jax.tree.map(lambda *each: sum(each), *losses)
    return loss, jax.tree.map(lambda *each: jnp.concatenate(each), *seen)


def own_columns(
    rows: Float[Array, "rows dim"],
    columns: Float[Array, "rows dim"],
    scale: Float[Array, ""] | float,
    *,
    chunk: int,
    there: Bool[Array, " rows"] | None = None,
) -> tuple[Loss, Float[Array, ""]]:
    """Returns the cross-entropy of row i with column i among all columns, and the share of rows that is right.

    InfoNCE in one direction; of pairs that are there alone, GRAIN's contrast of regions with descriptions (public code,
    WordContrastiveLoss).

    Args:
      rows: unit vectors.
      columns: unit vectors.
      scale: of cosines.
      chunk: rows whose scores exist at a time, over all devices, forward and backward; 0 = all.
      there: which pairs are, where some are not: these are in no sum.
    """

    def picked(own: Array, places: Int[Array, " some"]) -> tuple[Array, Array]:
        scores = scale * own @ columns.T
        if there is not None:
            scores = jnp.where(there, scores, jnp.finfo(scores.dtype).min)
        return softmax_at(scores, places), scores.argmax(axis=1) == places

    losses, hits = micro_batched(picked, chunk, rows, jnp.arange(len(rows)))
    counted = jnp.ones(len(rows), bool) if there is None else there
    loss = Loss(jnp.where(counted, losses, 0.0).sum(), counted.sum(dtype=losses.dtype))
    return loss, (hits & counted).sum() / jnp.maximum(loss.weight, 1.0)
