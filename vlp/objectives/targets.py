"""Target rules: which column each row of a score matrix should match."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Shaped


def same_id(rows: Int[Array, " rows"], columns: Int[Array, " columns"]) -> Float[Array, "rows columns"]:
    """One where a row and a column carry the same id, zero elsewhere."""
    return (rows[:, None] == columns[None, :]).astype(jnp.float32)


def pair(batch: dict[str, Shaped[Array, "batch ..."]]) -> Int[Array, " batch"]:
    """Every example is its own id: row i matches column i and nothing else (CLIP)."""
    return jnp.arange(len(batch["image"]), dtype=jnp.int32)


# A rule turns the batch into one id for each example; equal ids match.
TARGETS: dict[str, Callable[[dict[str, Array]], Int[Array, " batch"]]] = {"pair": pair}
