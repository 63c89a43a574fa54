"""What is near what, of things that come one after the other, and which of them stay if one of each heap does."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int, Shaped


class Near(NamedTuple):
    """Says of each thing which one before it is near, and how near.

    Attributes:
      distance: in bits, or 1 less the cosine; -1 = none is near, so that it stays.
      place: of the nearest, of several the first; -1 = none.
    """

    distance: Shaped[np.ndarray, " n"]
    place: Int[np.ndarray, " n"]


def first_come(near: Bool[np.ndarray, "n n"], free: Bool[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """Tells which things stay: in order, each that is near none which stayed.

    Args:
      near: whether the column, which comes after the row, is near it; False on and below the diagonal.
      free: whether a thing may stay.
    """
    stays = free.copy()
    for place in np.flatnonzero(near.any(1)):
        if stays[place]:
            stays &= ~near[place]
    return stays
