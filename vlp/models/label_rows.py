"""Several texts of each label, as an array with an axis for them."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


class LabelRows(NamedTuple):
    """Rows of each label's texts, the first so many of them, and which are there: these stand in front."""

    rows: Float[Array, "labels most dim"]
    there: Bool[Array, "labels most"]


def label_rows(
    rows: Float[Array, "texts dim"], labels: Int[Array, " texts"], first: Int[Array, " labels"], most: int
) -> LabelRows:
    """Arranges the rows of texts by their labels.

    Args:
      rows: of all texts, those of a label one behind the other.
      labels: of each text.
      first: the place of each label's first text.
      most: texts of a label that are taken.
    """
    places = first[:, None] + jnp.arange(min(most, len(rows)))
    inside = jnp.minimum(places, len(rows) - 1)
    there = (places < len(rows)) & (labels[inside] == jnp.arange(len(first))[:, None])
    return LabelRows(rows[inside] * there[..., None], there)
