"""Which mesh axes split what: examples, tables of classes; and the constraints that towers and objectives carry."""

from __future__ import annotations

import math

import jax
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


def whole(x: Shaped[Array, "*shape"]) -> Shaped[Array, "*shape"]:
    """Gathers an array on every device (nothing to do without a mesh): once, where a loop would in every round."""
    if jax.sharding.get_abstract_mesh().empty:
        return x
    return jax.lax.with_sharding_constraint(x, PartitionSpec())
