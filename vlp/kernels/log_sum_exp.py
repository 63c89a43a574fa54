"""Log-sum-exp of rows in pieces: over chunks of the columns, or over columns that devices share out."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from vlp.kernels.precision import widen

AxisName = str | tuple[str, ...] | None  # one of `shard_map`, or several that are one together


class LogSumExp(NamedTuple):
    """Holds what has to be known of some columns to go on with others: log sum exp = maximum + log total.

    The maximum only keeps the exponentials in range. It is a constant to differentiation, which is exact, for the
    value does not depend on it.

    Attributes:
      maximum: of each row's counted scores; the lowest finite number where none counts.
      total: each row's sum of exp(score - maximum); zero where none counts.
    """

    maximum: Float[Array, " rows"]
    total: Float[Array, " rows"]

    def log_total(self) -> Float[Array, " rows"]:
        """Returns log sum exp(score - maximum): non-negative, and zero for rows that count nothing."""
        return jnp.log(jnp.where(self.total > 0, self.total, 1.0))

    def value(self) -> Float[Array, " rows"]:
        """Returns log sum exp(score); minus infinity, with gradient zero, for rows that count nothing."""
        return jnp.where(self.total > 0, self.maximum + self.log_total(), -jnp.inf)


def log_sum_exp(
    scores: Float[Array, "rows columns"], mask: Bool[Array, "#rows #columns"] | None = None
) -> LogSumExp:
    """Returns the state after these columns.

    Args:
      scores: finite where they count.
      mask: which cells count; all by default. What does not count may hold anything, and gets gradient zero.
    """
    (scores,) = widen(scores)
    counts = jnp.ones_like(scores, bool) if mask is None else jnp.broadcast_to(mask, scores.shape)
    counted = jnp.where(counts, scores, 0.0)
    lowest = jnp.finfo(scores.dtype).min
    maximum = jax.lax.stop_gradient(jnp.where(counts, scores, lowest).max(axis=1))
    return LogSumExp(maximum, jnp.exp(jnp.where(counts, counted - maximum[:, None], -jnp.inf)).sum(axis=1))


def merge(one: LogSumExp, other: LogSumExp) -> LogSumExp:
    """Returns the state after the columns of both: associative and commutative, so a scan or a ring may carry it."""
    maximum = jnp.maximum(one.maximum, other.maximum)
    total = one.total * jnp.exp(one.maximum - maximum) + other.total * jnp.exp(other.maximum - maximum)
    return LogSumExp(maximum, total)


def across(state: LogSumExp, axis_name: AxisName) -> LogSumExp:
    """Returns the state after the columns of all devices along a mapped axis: one max and one sum all-reduce.

    Args:
      state: of this device's columns.
      axis_name: of `shard_map`; None leaves the state as it is.
    """
    if axis_name is None:
        return state
    maximum = jax.lax.pmax(state.maximum, axis_name)
    return LogSumExp(maximum, jax.lax.psum(state.total * jnp.exp(state.maximum - maximum), axis_name))


def sum_across(values: Float[Array, " ..."], axis_name: AxisName) -> Float[Array, " ..."]:
    """Returns the sum over the devices along a mapped axis; the values themselves where there is none."""
    return values if axis_name is None else jax.lax.psum(values, axis_name)
