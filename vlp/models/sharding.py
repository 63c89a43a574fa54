"""Which mesh axes split what: examples, tables of classes; and the constraints that towers and objectives carry."""

from __future__ import annotations

import math

import jax
from jax.experimental.layout import Layout, with_layout_constraint
from jax.sharding import PartitionSpec
from jaxtyping import Array, Shaped

BATCH_AXES = ("data", "fsdp")
# Of the rows of a table: both, where they divide them, else model alone.
TABLE_AXES = ("model", "fsdp")


def batch_shards() -> int:
    """Returns over how many devices examples are split; 1 without a mesh."""
    mesh = jax.sharding.get_abstract_mesh()
    return 1 if mesh.empty else math.prod(mesh.shape[axis] for axis in BATCH_AXES)


def constrain_batch(x: Shaped[Array, "batch ..."]) -> Shaped[Array, "batch ..."]:
    """Pins the leading axis to the mesh's batch axes (nothing to do without a mesh).

    Without it the compiler is free to split features instead of examples, which costs tens of GiB a chip at scale.
    """
    if jax.sharding.get_abstract_mesh().empty:
        return x
    return jax.lax.with_sharding_constraint(x, PartitionSpec(BATCH_AXES))


def constrain_heads(x: Shaped[Array, "batch tokens heads size"]) -> Shaped[Array, "batch tokens heads size"]:
    """Pins examples to the batch axes, and heads to the model axis where it divides them (without a mesh: nothing).

    Left to itself, the compiler may split the numbers within a head, of which cuDNN's calls know nothing.
    """
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty:
        return x
    heads = None if x.shape[2] % mesh.shape["model"] else "model"
    return jax.lax.with_sharding_constraint(x, PartitionSpec(BATCH_AXES, None, heads))


def row_major(x: Shaped[Array, "batch ..."]) -> Shaped[Array, "batch ..."]:
    """Has each device's examples lie as their axes are numbered.

    Left to itself, XLA for GPUs has them lie innermost all through unrolled blocks, and turns them around for every
    product and norm.
    """

    def pinned(part: Array) -> Array:
        return with_layout_constraint(part, Layout(tuple(range(part.ndim))))

    shards = batch_shards()
    if shards == 1:
        return pinned(x)
    if len(x) % shards:
        return x
    # The compiler cannot partition what asks for a layout, and would gather it.
    split = PartitionSpec(BATCH_AXES)
    return jax.shard_map(pinned, in_specs=split, out_specs=split, axis_names=set(BATCH_AXES))(x)


def whole(x: Shaped[Array, "*shape"]) -> Shaped[Array, "*shape"]:
    """Gathers an array on every device (nothing to do without a mesh): once, where a loop would in every round."""
    if jax.sharding.get_abstract_mesh().empty:
        return x
    return jax.lax.with_sharding_constraint(x, PartitionSpec())
