"""Sigmoid kernels: every cell of the score matrix is a yes-or-no question of its own."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from vlp.kernels.log_sum_exp import AxisName, sum_across
from vlp.kernels.loss import Loss
from vlp.kernels.precision import widen


def sigmoid(
    scores: Float[Array, "rows columns"],
    targets: Float[Array, "rows columns"],
    *,
    mask: Bool[Array, "#rows #columns"] | None = None,
    axis_name: AxisName = None,
) -> Loss:
    """Returns the binary cross-entropy of every cell, summed over a row's columns and counted by rows.

    SigLIP (arXiv 2303.15343, section 3.2: -1/B sum_ij log sigmoid(z_ij (t x_i y_j + b)), divided by the rows and not by
    the cells), and multi-label classification; with a mask, federated labels whose unknown cells say nothing.

    Args:
      scores: already scaled, with the bias added.
      targets: in [0, 1].
      mask: which cells take part; all by default. What takes no part may hold any finite number.
      axis_name: of `shard_map`, where devices share out the columns; every device then gets the whole loss.

    Returns:
      The sum over cells, in float32 or wider, and the number of rows for which any cell takes part. Blocks of columns
      add up: divide by the rows once.
    """
    scores, targets = widen(scores, targets)
    cells = targets * jax.nn.softplus(-scores) + (1.0 - targets) * jax.nn.softplus(scores)
    return _by_rows(cells, mask, axis_name)


def asymmetric_sigmoid(
    scores: Float[Array, "rows columns"],
    targets: Float[Array, "rows columns"],
    *,
    mask: Bool[Array, "#rows #columns"] | None = None,
    positive_focus: float = 0.0,
    negative_focus: float = 4.0,
    clip: float = 0.05,
    focus_gradient: bool = True,
    axis_name: AxisName = None,
) -> Loss:
    """Returns `sigmoid` with easy cells weighed down: the asymmetric loss (arXiv 2009.14119, equations 4 to 7), for
    tagging.

    With p = sigmoid(score) and p' = max(p - clip, 0): -(1 - p)^positive_focus log p where the target is one,
    -p'^negative_focus log(1 - p') where it is zero. All three settings at zero give `sigmoid`.

    Args:
      scores: already scaled.
      targets: in {0, 1}.
      mask: which cells take part; all by default.
      positive_focus: gamma+ of the paper.
      negative_focus: gamma- of the paper.
      clip: probability below which a negative is done with.
      focus_gradient: whether the weights are differentiated, too. Public code, and RAM++'s (arXiv 2310.15200), takes
        them as constants: False.
      axis_name: as for `sigmoid`.
    """
    scores, targets = widen(scores, targets)
    log_yes, log_no = jax.nn.log_sigmoid(scores), jax.nn.log_sigmoid(-scores)
    held = (lambda weight: weight) if focus_gradient else jax.lax.stop_gradient
    positive = -held(jnp.exp(positive_focus * log_no)) * log_yes
    if clip:
        probability = jnp.maximum(jax.nn.sigmoid(scores) - clip, 0.0)
        # log_no is zero where the probability is, so that any weight will do: one with a finite slope.
        log_no, weight = (
            jnp.log1p(-probability),
            jnp.where(probability > 0, probability, 1.0) ** negative_focus,
        )
    else:
        weight = jnp.exp(negative_focus * log_yes)
    return _by_rows(targets * positive - (1.0 - targets) * held(weight) * log_no, mask, axis_name)


def _by_rows(
    cells: Float[Array, "rows columns"], mask: Bool[Array, "#rows #columns"] | None, axis_name: AxisName
) -> Loss:
    """The sum of the cells that take part, and the number of rows that have any."""
    counts = jnp.broadcast_to(True if mask is None else mask, cells.shape)
    rows = sum_across(counts.sum(axis=1, dtype=cells.dtype), axis_name) > 0
    return Loss(sum_across(jnp.where(counts, cells, 0.0).sum(), axis_name), rows.sum(dtype=cells.dtype))
