"""What a student should be near: a teacher's soft targets, with centre and pairs of views (DINO), or its scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from vlp.kernels.loss import Loss
from vlp.kernels.precision import widen


def soft_targets(
    scores: Float[Array, "... columns"],
    *,
    temperature: float | Float[Array, ""] = 1.0,
    centre: Float[Array, " columns"] | None = None,
) -> Float[Array, "... columns"]:
    """Returns softmax((scores - centre) / temperature), a constant to differentiation.

    Args:
      scores: the teacher's.
      temperature: below one sharpens; may follow a schedule.
      centre: `moving_centre` of the teacher's scores, where it is used against collapse (DINO, equation 4).
    """
    (scores,) = widen(jax.lax.stop_gradient(scores))
    centred = scores if centre is None else scores - centre
    return jax.nn.softmax(centred / temperature, axis=-1)


def moving_centre(
    centre: Float[Array, " columns"], scores: Float[Array, "... columns"], momentum: float
) -> Float[Array, " columns"]:
    """Returns momentum * centre + (1 - momentum) * mean of the teacher's rows (DINO, equation 4)."""
    rows = jax.lax.stop_gradient(scores).reshape(-1, scores.shape[-1])
    return momentum * centre + (1.0 - momentum) * rows.mean(axis=0, dtype=centre.dtype)


def cross_view_softmax(
    scores: Float[Array, "views rows columns"],
    targets: Float[Array, "teacher_views rows columns"],
    *,
    mask: Bool[Array, " rows"] | None = None,
) -> Loss:
    """Returns the cross-entropy of every student view with every teacher view but its own (DINO, equation 3).

    Args:
      scores: the student's, already divided by its temperature; the teacher's views come first.
      targets: `soft_targets` of the teacher's views.
      mask: which rows count; all by default.

    Returns:
      The sum over rows and pairs of views, in float32 or wider, and the number of rows times pairs.
    """
    scores, targets = widen(scores, targets)
    counts = jnp.broadcast_to(True if mask is None else mask, scores.shape[1:2])
    kept = jnp.where(counts[None, :, None], targets, 0.0)
    crosses = -jnp.einsum("trc,src->ts", kept, jax.nn.log_softmax(scores, axis=-1))
    other = ~jnp.eye(crosses.shape[0], crosses.shape[1], dtype=bool)
    pairs = targets.shape[0] * (scores.shape[0] - 1)
    return Loss(jnp.where(other, crosses, 0.0).sum(), pairs * counts.sum(dtype=scores.dtype))


def kl_divergence(
    scores: Float[Array, "rows columns"], targets: Float[Array, "rows columns"]
) -> Float[Array, " rows"]:
    """Returns the KL divergence of each row's softmax from the probabilities that it should have (1503.02531)."""
    scores, targets = widen(scores, targets)
    return (jax.scipy.special.xlogy(targets, targets) - targets * jax.nn.log_softmax(scores)).sum(axis=1)


def cross_entropy(
    scores: Float[Array, "rows columns"], targets: Float[Array, "rows columns"]
) -> Float[Array, " rows"]:
    """Returns the same with the entropy of the targets, which has no gradient."""
    scores, targets = widen(scores, targets)
    return -(targets * jax.nn.log_softmax(scores)).sum(axis=1)


def soft_sigmoid(
    scores: Float[Array, "rows columns"], targets: Float[Array, "rows columns"]
) -> Float[Array, " rows"]:
    """Returns each row's sum of -log sigmoid((2 p - 1) score), p the probability of a cell.

    MobileCLIP2's public code; no cross-entropy with p: a probability of one half asks nothing, and costs log 2.
    """
    scores, targets = widen(scores, targets)
    return -jax.nn.log_sigmoid((2.0 * targets - 1.0) * scores).sum(axis=1)


def soft_answers(scores: Float[Array, "rows columns"]) -> Float[Array, "rows columns"]:
    """Returns the sigmoid of a teacher's scores, a constant to differentiation."""
    (scores,) = widen(jax.lax.stop_gradient(scores))
    return jax.nn.sigmoid(scores)


# By name: how far a row of scores is from probabilities, and what makes a teacher's scores into these.
DIVERGENCES = {
    "kl": (kl_divergence, soft_targets),
    "cross_entropy": (cross_entropy, soft_targets),
    "sigmoid": (soft_sigmoid, soft_answers),
}


def contrast_gradients(
    rows: Float[Array, "batch dim"],
    columns: Float[Array, "batch dim"],
    temperature: Float[Array, ""],
    *,
    by_parts: Callable[..., Any] = lambda function, *arrays: function(*arrays),
) -> tuple[Float[Array, "batch dim"], Float[Array, "batch dim"]]:
    """Returns the gradients of InfoNCE by its rows and by its columns, in closed form (CLIP-KD, arXiv 2307.12732,
    equations 8 and 9).

    Args:
      rows: unit vectors.
      columns: unit vectors; row i matches column i.
      temperature: that cosines are divided by.
      by_parts: runs a function of some rows on all of them, such as a chunk at a time; each side's share of the score
        matrix is as large as what it is given.
    """
    rows, columns = widen(rows, columns)
    size, places = len(rows) * temperature, jnp.arange(len(rows))

    def of_rows(own: Array, places: Array) -> tuple[Array, Array]:
        scores = own @ columns.T / temperature
        normaliser = jax.nn.logsumexp(scores, axis=1)
        excess = jnp.exp(scores - normaliser[:, None]) @ columns - columns[places]
        return excess / size, normaliser

    on_rows, normalisers = by_parts(of_rows, rows, places)

    def of_columns(own: Array, places: Array) -> Array:
        return (jnp.exp(own @ rows.T / temperature - normalisers) @ rows - rows[places]) / size

    return on_rows, by_parts(of_columns, columns, places)
