"""Visiting every tile of a rows x columns matrix that is never formed: chunk by chunk, and around a ring of devices.

Rows stay on their device; columns travel from device to device together with whatever was gathered for them, and are
home again after one turn of the ring (as in Inf-CLIP, arXiv 2410.17243). Memory is linear in the batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec
from jaxtyping import PyTree

from vlp.models.sharding import BATCH_AXES

# (rows, row_state, columns, column_state) of one tile -> (row_state, column_state)
Visit = Callable[[PyTree, PyTree, PyTree, PyTree], tuple[PyTree, PyTree]]

SPLIT, WHOLE = PartitionSpec(BATCH_AXES), PartitionSpec()


def over_batch_axes(
    function: Callable[..., Any], arguments: tuple[PyTree, ...], specs: tuple[PyTree, ...], results: PyTree
) -> Any:
    """Calls `function(axes, *arguments)` on every device's rows; without a mesh once, with `axes` empty.

    Args:
      function: sees local arrays and the names of the mesh axes over which they are split.
      arguments: global arrays.
      specs: SPLIT or WHOLE for each argument.
      results: SPLIT or WHOLE for what it returns; WHOLE results must be summed over `axes` already.
    """
    if jax.sharding.get_abstract_mesh().empty:
        return function((), *arguments)
    return jax.shard_map(lambda *local: function(BATCH_AXES, *local), in_specs=specs, out_specs=results)(
        *arguments
    )


def sweep(
    visit: Visit,
    rows: PyTree,
    row_state: PyTree,
    columns: PyTree,
    column_state: PyTree,
    *,
    chunk: int,
    axes: tuple[str, ...],
) -> tuple[PyTree, PyTree]:
    """Visits every tile of (all rows) x (all columns) once.

    Args:
      visit: takes `chunk` rows and all columns of one device, with what has been gathered for either so far.
      rows: arrays [local rows, ...] that are only read.
      row_state: constant arrays [local rows, ...] to start from, which visits update.
      columns: arrays [local columns, ...] that are only read.
      column_state: constant arrays [local columns, ...] to start from, which visits update.
      chunk: rows of a tile; what remains at the end is a smaller tile.
      axes: the mesh axes of the ring; empty for one device.

    Returns:
      The final states of this device's own rows and columns.
    """
    turns = jax.lax.axis_size(axes) if axes else 1
    # Constants so far, which a loop's carry must not be where devices will come to differ.
    row_state, column_state = jax.tree.map(
        lambda x: jax.lax.pcast(x, axes, to="varying"), (row_state, column_state)
    )
    if turns == 1:
        return over_chunks(visit, rows, row_state, columns, column_state, chunk)
    neighbours = [(device, (device + 1) % turns) for device in range(turns)]

    def turn(carry: tuple[PyTree, PyTree], _: None) -> tuple[tuple[PyTree, PyTree], None]:
        row_state, (columns, column_state) = carry
        row_state, column_state = over_chunks(visit, rows, row_state, columns, column_state, chunk)
        # Sending before the last tile has read them would keep a second copy of the columns in a TPU's main memory.
        row_state, columns, column_state = jax.lax.optimization_barrier((row_state, columns, column_state))
        return (row_state, jax.lax.ppermute((columns, column_state), axes, neighbours)), None

    start = (row_state, (columns, column_state))
    (row_state, (_, column_state)), _ = jax.lax.scan(turn, start, None, length=turns)
    return row_state, column_state


def over_chunks(
    visit: Visit, rows: PyTree, row_state: PyTree, columns: PyTree, column_state: PyTree, chunk: int
) -> tuple[PyTree, PyTree]:
    """Does one device's share of `sweep`: its rows, `chunk` at a time, against the columns at hand."""
    total = len(jax.tree.leaves(rows)[0])
    chunk = min(chunk, total)
    whole = total - total % chunk

    def body(column_state: PyTree, tile: tuple[PyTree, PyTree]) -> tuple[PyTree, PyTree]:
        row_state, column_state = visit(*tile, columns, column_state)
        return column_state, row_state

    tiles = jax.tree.map(lambda x: x[:whole].reshape(-1, chunk, *x.shape[1:]), (rows, row_state))
    column_state, states = jax.lax.scan(body, column_state, tiles)
    states = jax.tree.map(lambda x: x.reshape(whole, *x.shape[2:]), states)
    if whole < total:
        column_state, rest = body(column_state, jax.tree.map(lambda x: x[whole:], (rows, row_state)))
        states = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), states, rest)
    return states, column_state
