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


def other_view(places: Int[Array, " some"], batch: int, views: int) -> Float[Array, "some rows"]:
    """Returns one where rows at these places of a view-major stack [views * batch] show the same example as another
    one, in another view (SimCLR)."""
    everything = jnp.arange(views * batch)
    return same_id(places % batch, everything % batch) * not_self(places, len(everything))


def not_self(places: Int[Array, " some"], rows: int) -> Bool[Array, "some rows"]:
    """Returns the mask that leaves out the likeness to itself of each row at these places among all (NT-Xent, arXiv
    2002.05709, equation 1)."""
    return places[:, None] != jnp.arange(rows)


# Rules for a batch of pairs, by the batch field whose equal ids match: a repeated caption is no negative of itself, nor
# is another image of the same label (UniCL, arXiv 2204.03610; what has no label goes by its text) or of the same group.
# Without a field every example is its own id: row i matches column i and nothing else (CLIP).
TARGETS: dict[str, str] = {"pair": "", "text": "text_id", "label": "label_id", "group": "group_id"}
