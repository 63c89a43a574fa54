"""The devices to plan for: those of a TPU slice that need not be here, or those at hand."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import re
from typing import Any

import jax
from jax.experimental import topologies

from input_pipeline.errors import UserError
from vlp.planning.chips import CHIPS, Chip

LOCAL = "local"

# libtpu looks for the TPUs of this machine, locks them, and complains of what it does not find, unless told otherwise.
COMPILER_ONLY = {
    "TPU_SKIP_MDS_QUERY": "1",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_ACCELERATOR_TYPE": "v5litepod-16",
    "TPU_STDERR_LOG_LEVEL": "3",
    "TPU_MIN_LOG_LEVEL": "3",
}

OF_GENERATION = {"v4": {"chip_config_name": "megacore"}}  # its two cores make one device, as on the machines


@dataclasses.dataclass(frozen=True)
class Topology:
    """Devices that programs can be compiled for.

    Attributes:
      name: as asked for, such as 'v5e:16x16'.
      devices: `jax.Device`s, in the order of JAX.
      hosts: processes that drive them.
      chip: what one can do; None where the table does not know it.
    """

    name: str
    devices: tuple[Any, ...]
    hosts: int
    chip: Chip | None

    @property
    def chips(self) -> int:
        """Returns how many there are."""
        return len(self.devices) // (self.chip.devices if self.chip else 1)


def open_topology(name: str) -> Topology:
    """Finds the devices of a topology without touching hardware.

    Args:
      name: 'local', or a TPU's generation and the shape of the slice, such as 'v5e:16x16' or 'v5p:8x8x8'.

    Raises:
      ValueError: libtpu, the compiler for TPUs, is not installed, or does not know the name.
    """
    if name == LOCAL:
        return Topology(name, tuple(jax.devices()), jax.process_count(), None)
    if not re.fullmatch(r"[a-z0-9]+:\d+(x\d+)+", name):
        raise UserError(
            f"--topology={name} must be 'local' or a TPU and the shape of its slice, such as v5e:16x16, v5p:8x8x8, "
            "v6e:16x16 or tpu7x:4x4x4"
        )
    if importlib.util.find_spec("libtpu") is None:
        raise UserError(
            f"--topology={name} needs libtpu, the compiler for TPUs: pip install -r requirements-tpu-plan.txt"
        )
    os.environ.update(COMPILER_ONLY)
    os.environ.pop("XLA_FLAGS", None)  # it refuses flags meant for CPUs
    jax.config.update("jax_platforms", "cpu")
    try:
        generation = name.partition(":")[0]
        devices: list[Any] = topologies.get_topology_desc(
            platform="tpu", topology_name=name, **OF_GENERATION.get(generation, {})
        ).devices
    except Exception as error:  # of several types, by the version of jaxlib
        reason = str(error).splitlines()[0]
        raise UserError(f"--topology={name} is unknown to libtpu, which says: {reason}") from error
    hosts = len({device.process_index for device in devices})
    return Topology(name, tuple(devices), hosts, CHIPS.get(generation))
