"""One mesh for everything, with axes ("data", "fsdp", "model")."""

from __future__ import annotations

from typing import Any

import jax
from jax.sharding import AxisType, Mesh

AXES = ("data", "fsdp", "model")


def mesh_shape(config: Any, device_count: int) -> tuple[int, int, int]:
    """Resolves the sizes of the axes, at most one of which is -1: whatever the others leave.

    Raises:
      ValueError: the sizes do not multiply to the number of devices.
    """
    sizes = [int(config[axis]) for axis in AXES]
    known = 1
    for size in sizes:
        known *= size if size > 0 else 1
    if sizes.count(-1) == 1 and device_count % known == 0:
        sizes[sizes.index(-1)] = device_count // known
        known = device_count
    if known != device_count or min(sizes) < 1:
        wanted = " x ".join(f"{axis}={config[axis]}" for axis in AXES)
        raise ValueError(f"mesh {wanted} does not fit {device_count} devices; set one of the axes to -1")
    return sizes[0], sizes[1], sizes[2]


def make_mesh(config: Any) -> Mesh:
    """Builds the mesh over all devices of all processes.

    Args:
      config: `mesh` of the config.

    Raises:
      ValueError: the axes do not fit the devices.
    """
    # Auto, not make_mesh's default Explicit: towers carry constraints at block edges and leave the rest to the compiler.
    return jax.make_mesh(mesh_shape(config, jax.device_count()), AXES, axis_types=(AxisType.Auto,) * len(AXES))
