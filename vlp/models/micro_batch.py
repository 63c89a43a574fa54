"""Encoding a batch a few examples at a time, with the gradient of the whole batch (GradCache, arXiv 2101.06983).

The losses still see every embedding: only the towers' activations are those of one micro-batch at a time, in the
forward pass and, computed once more, in the backward pass.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec
from jaxtyping import Array, Shaped

from vlp.models.sharding import BATCH_AXES, batch_shards, constrain_batch

Output = TypeVar("Output")


def micro_batched(
    encode: Callable[..., Output], micro_batch: int, *arrays: Shaped[Array, "batch ..."]
) -> Output:
    """Runs `encode(*arrays)` by parts.

    Args:
      encode: treats examples independently; arrays [batch, ...] to a tree of arrays [batch, ...].
      micro_batch: examples encoded at a time, over all devices together; 0 = all. What remains at the end is a smaller
        part. Every device works on examples it already has, so that nothing is moved.
      *arrays: what is encoded, and everything random about it, which must not depend on the parts.
    """
    batch = len(arrays[0])
    if not 0 < micro_batch < batch:
        return encode(*arrays)
    shards = _shards(batch)
    rows, part = batch // shards, max(1, micro_batch // shards)
    # All sizes are said: what an example gives may be empty, and then none can be told from the others.
    count, whole = rows // part, rows - rows % part
    local = [x.reshape(shards, rows, *x.shape[1:]) for x in arrays]

    def parts(x: Array) -> Array:
        x = x[:, :whole].reshape(shards, count, part, *x.shape[2:]).swapaxes(0, 1)
        return _constrain_parts(x.reshape(count, shards * part, *x.shape[3:]))

    # Inside a loop nothing can be merged with the first computation anyway.
    encode_again = jax.checkpoint(encode, prevent_cse=False)
    outputs = jax.lax.map(lambda part: encode_again(*part), [parts(x) for x in local])
    outputs = jax.tree.map(
        lambda y: (
            y.reshape(count, shards, part, *y.shape[2:]).swapaxes(0, 1).reshape(shards, whole, *y.shape[2:])
        ),
        outputs,
    )
    if whole < rows:
        left = rows - whole
        rest = jax.checkpoint(encode)(*(x[:, whole:].reshape(shards * left, *x.shape[2:]) for x in local))
        outputs = jax.tree.map(
            lambda y, z: jnp.concatenate([y, z.reshape(shards, left, *z.shape[1:])], axis=1), outputs, rest
        )
    return jax.tree.map(lambda y: constrain_batch(y.reshape(batch, *y.shape[2:])), outputs)


def _shards(batch: int) -> int:
    """Over how many devices the batch is split."""
    shards = batch_shards()
    return shards if batch % shards == 0 else 1


def _constrain_parts(x: Shaped[Array, "parts batch ..."]) -> Shaped[Array, "parts batch ..."]:
    if jax.sharding.get_abstract_mesh().empty:
        return x
    return jax.lax.with_sharding_constraint(x, PartitionSpec(None, BATCH_AXES))
