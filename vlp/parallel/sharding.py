"""Where each array lives: batches over data and fsdp, parameters and their optimiser state over fsdp or model."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, PyTree, Shaped

from vlp.models.sharding import BATCH_AXES


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """Examples split over the data and fsdp axes."""
    return NamedSharding(mesh, PartitionSpec(BATCH_AXES))


# Parameters that are not split by size, by what their path ends with: tables of classes by rows (see class_table.py).
SPECS: dict[str, PartitionSpec] = {"class_centres": PartitionSpec("model")}


def parameter_spec(name: str, shape: tuple[int, ...], fsdp: int) -> PartitionSpec:
    """As SPECS says, else split along the largest axis that fsdp divides; small or indivisible arrays are replicated.

    Args:
      name: the last part of the parameter's path.
      shape: of the parameter.
      fsdp: size of that axis of the mesh.
    """
    if name in SPECS and shape:
        return SPECS[name]
    candidates = [axis for axis, size in enumerate(shape) if size % fsdp == 0]
    if fsdp == 1 or not candidates or np.prod(shape) < 2**12:
        return PartitionSpec()
    largest = max(candidates, key=lambda axis: shape[axis])
    return PartitionSpec(*(("fsdp" if axis == largest else None) for axis in range(largest + 1)))


def state_shardings(state: PyTree, mesh: Mesh) -> PyTree:
    """A sharding for every leaf of a training state; moments follow the same rule as their parameters.

    Args:
      state: arrays or `jax.ShapeDtypeStruct`s.
      mesh: with an fsdp axis.
    """

    def sharding(path: tuple[Any, ...], leaf: Any) -> NamedSharding:
        name = str(getattr(path[-1], "key", ""))
        return NamedSharding(mesh, parameter_spec(name, leaf.shape, mesh.shape["fsdp"]))

    return jax.tree_util.tree_map_with_path(sharding, state)


def global_batch(batch: dict[str, Shaped[np.ndarray, "local ..."]], mesh: Mesh) -> dict[str, Array]:
    """This host's rows of a batch to arrays of the global batch (see `vlp.parallel.hosts.batch_part`)."""
    sharding = batch_sharding(mesh)
    return {name: jax.make_array_from_process_local_data(sharding, rows) for name, rows in batch.items()}


def replicated(mesh: Mesh) -> NamedSharding:
    """The same on every device."""
    return NamedSharding(mesh, PartitionSpec())


def fetch(tree: Any) -> Any:
    """Replicated device scalars to Python numbers (this waits for the device)."""
    return jax.tree.map(lambda value: np.asarray(value).item(), jax.device_get(tree))
