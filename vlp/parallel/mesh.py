"""One mesh for everything, with axes ("data", "fsdp", "model")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import jax
from jax.sharding import AxisType, Mesh

AXES = ("data", "fsdp", "model")


def make_mesh(sizes: Mapping[str, int], devices: Sequence[jax.Device] | None = None) -> Mesh:
    """Builds the mesh over all devices of all processes.

    Args:
      sizes: of each axis; their product is the number of devices (see `vlp.configuration.validate_devices`).
      devices: others than those, such as a TPU slice's to compile for.
    """
    shape = tuple(sizes[axis] for axis in AXES)
    # Auto, not make_mesh's default Explicit: towers constrain block edges and leave the rest to the compiler.
    return jax.make_mesh(shape, AXES, axis_types=(AxisType.Auto,) * len(AXES), devices=devices)


def data_mesh(devices: Sequence[jax.Device] | None = None) -> Mesh:
    """All devices of all processes, or those that are given, along the data axis."""
    return make_mesh({"data": len(devices or jax.devices()), "fsdp": 1, "model": 1}, devices)


def local_mesh() -> Mesh:
    """All devices of this process along the data axis: for work that each process does alone."""
    return data_mesh(jax.local_devices())
