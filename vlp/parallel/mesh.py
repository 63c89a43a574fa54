"""One mesh for everything, with axes ("data", "fsdp", "model")."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import jax
from jax.experimental.mesh_utils import create_device_mesh
from jax.sharding import AxisType, Mesh

AXES = ("data", "fsdp", "model")


def make_mesh(sizes: Mapping[str, int], devices: Sequence[jax.Device] | None = None) -> Mesh:
    """Builds the mesh over all devices of all processes, or the first of them where it takes fewer.

    Args:
      sizes: of each axis; their product is the number of devices (see `vlp.configuration.validate_devices`).
      devices: others than those, such as a TPU slice's to compile for.
    """
    shape = tuple(sizes[axis] for axis in AXES)
    # jax.make_mesh would refuse 16 x 32 on a torus of 8 x 8 x 8, because an axis of it has to be split for that.
    placed = create_device_mesh(
        shape, devices or jax.devices()[: math.prod(shape)], allow_split_physical_axes=True
    )
    # Auto: towers constrain block edges and leave the rest to the compiler.
    return Mesh(placed, AXES, axis_types=(AxisType.Auto,) * len(AXES))


def data_mesh(devices: Sequence[jax.Device] | None = None) -> Mesh:
    """Returns all devices of all processes, or those that are given, along the data axis."""
    return make_mesh({"data": len(devices or jax.devices()), "fsdp": 1, "model": 1}, devices)


def local_mesh() -> Mesh:
    """Returns all devices of this process along the data axis: for work that each process does alone."""
    return data_mesh(jax.local_devices())
