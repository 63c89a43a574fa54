"""Loops over the places of a batch, which gather what they are compared with once and not in every round."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import PartitionSpec
from jaxtyping import PyTree

from vlp.models.sharding import BATCH_AXES
from vlp.parallel.tiles import SPLIT, WHOLE, over_batch_axes


def over_places(function: Callable[[PyTree, PyTree], PyTree], places: PyTree, tables: PyTree) -> Any:
    """Calls `function(places, tables)` on every device's rows; what a loop in it makes of tables stays there.

    A compiler that splits the loop by itself splits columns rather than rows, sends scores from device to device, and
    adds up gradients of tables, once a place.

    Args:
      function: gives arrays [rows, ...].
      places: arrays [places, rows, ...], whose rows devices share out.
      tables: arrays, whole on every device; their gradients are added up behind the loop.
    """

    def local(axes: tuple[str, ...], places: PyTree, tables: PyTree) -> PyTree:
        return function(places, jax.tree.map(lambda x: jax.lax.pcast(x, axes, to="varying"), tables))

    rows = PartitionSpec(None, BATCH_AXES)
    return over_batch_axes(local, (places, tables), (rows, WHOLE), SPLIT)
