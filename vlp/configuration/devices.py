"""The checks that need to know how many devices there are."""

from __future__ import annotations

import math
from collections.abc import Iterator

from ml_collections import ConfigDict

from configs.settings.selection import trained_rows
from vlp.configuration.errors import ConfigError
from vlp.configuration.parts import find_part
from vlp.models.families import TOWERS, family


def validate_devices(config: ConfigDict, device_count: int, slices: int = 1) -> dict[str, int]:
    """Fits mesh and batch to the devices; called by a job once they are known.

    Args:
      config: validated.
      device_count: devices of all hosts.
      slices: that they form, joined along the data axis.

    Returns:
      The mesh's axis sizes, with -1 replaced: a product of `device_count`.

    Raises:
      ConfigError: the mesh does not multiply to the devices, the batch does not divide, the slices do not divide the
        data axis, or the model axis does not divide what it splits.
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
    if axes["data"] % slices or device_count % slices:
        raise ConfigError(
            f"{device_count} devices in {slices} slices, which are joined along the data axis: "
            f"mesh.data={axes['data']} must be a multiple of {slices}, and fsdp and model stay within a slice"
        )
    batch_size, shards = config.batch_size, axes["data"] * axes["fsdp"]
    if batch_size % shards:
        lower = batch_size - batch_size % shards
        raise ConfigError(
            f"batch_size={batch_size} is not a multiple of {shards} (mesh.data * mesh.fsdp): use {lower or shards} or "
            f"{lower + shards}"
        )
    rows = trained_rows(config)
    if rows % shards:
        raise ConfigError(
            f"selection leaves {rows} rows of batch_size={batch_size}, which is not a multiple of {shards} "
            "(mesh.data * mesh.fsdp): choose another ratio or batch_size"
        )
    check_model_axis(config, axes["model"])
    return axes


def check_model_axis(config: ConfigDict, size: int) -> None:
    """Refuses towers and class tables that `mesh.model=size` cannot split evenly.

    Raises:
      ConfigError: heads, hidden units or classes are not a multiple of it.
    """
    for where, count in _split_over_model(config):
        if count % size:
            fitting = [
                n for n in range(1, size) if all(other % n == 0 for _, other in _split_over_model(config))
            ]
            raise ConfigError(
                f"mesh.model={size} does not divide {where}={count}, which it splits over devices: "
                f"use mesh.model={fitting[-1]} or change {where}"
            )


def _split_over_model(config: ConfigDict) -> Iterator[tuple[str, int]]:
    """What the model axis splits: names of settings and how many there are."""
    for tower in TOWERS:
        settings = config.model[tower]
        for name, count in family(tower, settings).split(settings).items():
            yield f"model.{tower}.{name}", count
    for name, entry in config.objectives.items():
        if entry.weight:
            for setting in find_part("objectives", entry.kind, f"objectives.{name}").model_axis:
                yield f"objectives.{name}.{setting}", entry[setting]
