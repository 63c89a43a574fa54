"""One mesh for everything, with axes ("data", "fsdp", "model")."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import jax
import numpy as np
from jax.experimental.mesh_utils import create_device_mesh
from jax.sharding import AxisType, Mesh

AXES = ("data", "fsdp", "model")


def make_mesh(sizes: Mapping[str, int], devices: Sequence[jax.Device] | None = None, slices: int = 0) -> Mesh:
    """Builds the mesh over all devices of all processes, or the first of them where it takes fewer.

    Slices are joined along the data axis: what fsdp and model split stays within one, and gradients alone go between.

    Args:
      sizes: of each axis; their product is the number of devices (see `vlp.configuration.validate_devices`).
      devices: others than those, such as a TPU slice's to compile for.
      slices: that the devices form (see `slices_of`).
    """
    shape = tuple(sizes[axis] for axis in AXES)
    groups = slices_of(devices or jax.devices()[: math.prod(shape)], slices)
    each = (shape[0] // len(groups), *shape[1:])
    # jax.make_mesh would refuse 16 x 32 on a torus of 8 x 8 x 8, because an axis of it has to be split for that.
    placed = np.concatenate([create_device_mesh(each, one, allow_split_physical_axes=True) for one in groups])
    # Auto: towers constrain block edges and leave the rest to the compiler.
    return Mesh(placed, AXES, axis_types=(AxisType.Auto,) * len(AXES))


def slices_of(devices: Sequence[jax.Device], count: int = 0) -> list[list[jax.Device]]:
    """Groups devices by the TPU slice that they belong to.

    Args:
      devices: of all processes.
      count: of slices, as many devices each, in the order of the processes; 0 = as TPUs say, and one of anything else.
    """
    if count:
        each = len(devices) // count
        return [list(devices[first : first + each]) for first in range(0, each * count, each)]
    found: dict[int, list[jax.Device]] = {}
    for device in devices:
        # GPUs give their node as a slice, but what an axis may cross is the user's to say there.
        index = getattr(device, "slice_index", 0) if device.platform == "tpu" else 0
        found.setdefault(index, []).append(device)
    return [found[index] for index in sorted(found)]


def data_mesh(devices: Sequence[jax.Device] | None = None) -> Mesh:
    """Returns all devices of all processes, or those that are given, along the data axis."""
    return make_mesh({"data": len(devices or jax.devices()), "fsdp": 1, "model": 1}, devices)


def local_mesh() -> Mesh:
    """Returns all devices of this process along the data axis: for work that each process does alone."""
    return data_mesh(jax.local_devices())
