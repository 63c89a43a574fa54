"""Which classes and which dimensions of a class table a step uses: fixed shapes, whatever the labels."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, PRNGKeyArray


def sample_columns(
    key: PRNGKeyArray, labels: Int[Array, " ..."], columns: int, count: int
) -> Int[Array, " count"]:
    """Returns the columns a step keeps: every label of the batch, filled up with others at random (PartialFC).

    Partial FC (arXiv 2203.15565, section 3.2); a shard of a class table samples among its own columns with labels
    counted from its first.

    Args:
      key: the same on all devices that share these columns.
      labels: of the whole batch, of any shape. Those outside [0, columns) are ignored: another shard's, or padding.
      columns: how many there are to choose from.
      count: how many to keep, see `columns_to_keep`. Of more distinct labels than that a random `count` are kept, and
        rows that lost theirs have no positive.

    Returns:
      Distinct columns in rising order.

    Raises:
      ValueError: count is not in 1 ... columns.
    """
    if not 0 < count <= columns:
        raise ValueError(f"cannot keep {count} of {columns} columns: keep between 1 and {columns}")
    inside = jnp.where((labels >= 0) & (labels < columns), labels, columns)
    is_label = jnp.zeros(columns).at[inside.ravel()].set(1.0)
    priority = jax.random.uniform(key, (columns,)) + is_label
    return jnp.sort(jax.lax.top_k(priority, count)[1])


def columns_to_keep(columns: int, rate: float, labels: int) -> int:
    """Returns how many columns a step keeps of a share `rate`, so that a batch never loses a positive: PartialFC's
    maximum.

    PartialFC keeps as many as the batch has different labels where that is more than the share. A shape has to be known
    before the labels are, and they may all be different: min(columns, labels) bounds them.

    Args:
      columns: how many there are.
      rate: in (0, 1].
      labels: of the whole batch, equal ones counted as often as they stand there.
    """
    return min(columns, max(1, int(rate * columns), labels))


def sample_dimensions(key: PRNGKeyArray, dimensions: int, count: int) -> Int[Array, " count"]:
    """Returns the dimensions of embeddings and class centres a step compares (UNICOM, arXiv 2304.05884), in rising
    order.

    Restrict both to them, then normalise.

    Args:
      key: the same on all devices, unlike in the public code, where each draws its own.
      dimensions: of the embeddings.
      count: how many to keep.

    Raises:
      ValueError: count is not in 1 ... dimensions.
    """
    if not 0 < count <= dimensions:
        raise ValueError(f"cannot keep {count} of {dimensions} dimensions: keep between 1 and {dimensions}")
    return jnp.sort(jax.random.permutation(key, dimensions)[:count])
