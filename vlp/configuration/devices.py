"""The checks that need to know how many devices there are."""

from __future__ import annotations

import math

from ml_collections import ConfigDict

from vlp.configuration.errors import ConfigError


def validate_devices(config: ConfigDict, device_count: int) -> dict[str, int]:
    """Fits mesh and batch to the devices; called by a job once they are known.

    Args:
      config: validated.
      device_count: devices of all hosts.

    Returns:
      The mesh's axis sizes, with -1 replaced: a product of `device_count`.

    Raises:
      ConfigError: the mesh does not multiply to the devices, or the batch does not divide.
    """
    axes = dict(config.mesh.items())
    given = math.prod(size for size in axes.values() if size != -1)
    if -1 in axes.values():
        if device_count % given:
            raise ConfigError(
                f"mesh {axes}: its axes need a multiple of {given} devices, and there are {device_count}"
            )
        axes = {axis: device_count // given if size == -1 else size for axis, size in axes.items()}
    elif given != device_count:
        raise ConfigError(
            f"mesh {axes} needs {given} devices, and there are {device_count}: set one axis to -1 to use them all"
        )
    batch_size, shards = config.batch_size, axes["data"] * axes["fsdp"]
    if batch_size % shards:
        lower = batch_size - batch_size % shards
        raise ConfigError(
            f"batch_size={batch_size} is not a multiple of {shards} (mesh.data * mesh.fsdp): use {lower or shards} or "
            f"{lower + shards}"
        )
    return axes
