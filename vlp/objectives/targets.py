"""Target rules: which column each row of a score matrix should match, and which cells take part at all."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Shaped


def same_id(
    rows: Int[Array, " rows *id"], columns: Int[Array, " columns *id"]
) -> Float[Array, "rows columns"]:
    """One where a row and a column carry the same id, zero elsewhere; an id is an integer or several."""
    equal = rows[:, None] == columns[None, :]
    return equal.reshape(*equal.shape[:2], -1).all(axis=-1).astype(jnp.float32)


def any_id(rows: Int[Array, "rows labels"], columns: Int[Array, " columns"]) -> Float[Array, "rows columns"]:
    """One where a column's id is among the row's several labels (MLCD's nearest centres), zero elsewhere.

    A negative label stands for none.
    """
    matches = (rows[:, :, None] == columns[None, None, :]) & (rows >= 0)[:, :, None]
    return matches.any(axis=1).astype(jnp.float32)


def other_view(batch: int, views: int = 2) -> Float[Array, "rows rows"]:
    """One where two rows of a view-major stack [views * batch] show the same example in another view (SimCLR)."""
    example = jnp.arange(views * batch) % batch
    return same_id(example, example) * not_self(views * batch)


def not_self(rows: int) -> Bool[Array, "rows rows"]:
    """The mask that leaves out each row's likeness to itself (NT-Xent, arXiv 2002.05709, equation 1)."""
    return ~jnp.eye(rows, dtype=bool)


def pair(batch: dict[str, Shaped[Array, "batch ..."]]) -> Int[Array, " batch"]:
    """Every example is its own id: row i matches column i and nothing else (CLIP)."""
    return jnp.arange(len(batch["image"]), dtype=jnp.int32)


def text(batch: dict[str, Shaped[Array, "batch ..."]]) -> Int[Array, "batch 2"]:
    """Examples that show the same text match: repeated captions are no negatives of each other."""
    return batch["text_id"]


def label(batch: dict[str, Shaped[Array, "batch ..."]]) -> Int[Array, "batch 2"]:
    """Examples of the same label match, and those without one by their text (UniCL, arXiv 2204.03610)."""
    return batch["label_id"]


def group(batch: dict[str, Shaped[Array, "batch ..."]]) -> Int[Array, "batch 2"]:
    """Examples of the same group match: several captions or crops of one image, several images of one product."""
    return batch["group_id"]


# A rule turns the batch into one id for each example; equal ids match.
TARGETS: dict[str, Callable[[dict[str, Array]], Int[Array, " batch *id"]]] = {"pair": pair}
