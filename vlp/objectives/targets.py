"""Target rules: which column each row of a score matrix should match, and which cells take part at all."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


def same_id(
    rows: Int[Array, " rows *id"], columns: Int[Array, " columns *id"]
) -> Float[Array, "rows columns"]:
    """Returns one where a row and a column carry the same id, zero elsewhere; an id is an integer or several."""
    equal = rows[:, None] == columns[None, :]
    return equal.reshape(*equal.shape[:2], -1).all(axis=-1).astype(jnp.float32)


def other_view(batch: int, views: int) -> Float[Array, "rows rows"]:
    """Returns one where two rows of a view-major stack [views * batch] show the same example in another view
    (SimCLR)."""
    example = jnp.arange(views * batch) % batch
    return same_id(example, example) * not_self(views * batch)


def not_self(rows: int) -> Bool[Array, "rows rows"]:
    """Returns the mask that leaves out each row's likeness to itself (NT-Xent, arXiv 2002.05709, equation 1)."""
    return ~jnp.eye(rows, dtype=bool)


# Rules for a batch of pairs, by the batch field whose equal ids match: a repeated caption is no negative of itself, nor
# is another image of the same label (UniCL, arXiv 2204.03610; what has no label goes by its text) or of the same group.
# Without a field every example is its own id: row i matches column i and nothing else (CLIP).
TARGETS: dict[str, str] = {"pair": "", "text": "text_id", "label": "label_id", "group": "group_id"}
