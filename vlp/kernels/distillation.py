"""Teacher's side of a cross-entropy: soft targets, their centring, and pairs of views (DINO, arXiv 2104.14294)."""

from __future__ import annotations

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
