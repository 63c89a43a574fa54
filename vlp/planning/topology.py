"""The devices to plan for: those of TPU slices or GPU nodes that need not be here, or those at hand."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import os
import re
from typing import Any

import jax
from jax.experimental import topologies

from input_pipeline.errors import UserError
from vlp.planning.chips import CARDS, CHIPS, GPUS, Chip

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

# XLA's compiler for GPUs, which comes with `jax[cuda13]`; the versions of cuDNN and CUDA that it is to write for.
CUDA = ("jax_cuda13_plugin", "jax_cuda12_plugin")
CUDNN = (9, 12)

OF_GENERATION = {"v4": {"chip_config_name": "megacore"}}  # its two cores make one device, as on the machines


@dataclasses.dataclass(frozen=True)
class Topology:
    """Devices that programs can be compiled for.

    Attributes:
      name: as asked for, such as 'v5e:16x16'.
      devices: `jax.Device`s, in the order of JAX.
      hosts: processes that drive them.
      chip: what one can do; None where the table does not know it.
      slices: of a TPU, as many chips each.
      node: GPUs that one switch joins; 0 for TPUs, and for devices at hand.
      stood_for: whether the devices are CPUs, as many as there are GPUs, for want of a compiler: programs are
        partitioned into devices alike, the kernels are others.
    """

    name: str
    devices: tuple[Any, ...]
    hosts: int
    chip: Chip | None
    slices: int = 1
    node: int = 0
    stood_for: bool = False

    @property
    def chips(self) -> int:
        """Returns how many there are."""
        return len(self.devices) // (self.chip.devices if self.chip else 1)


def open_topology(name: str, slices: int = 1) -> Topology:
    """Finds the devices of a topology without touching hardware.

    Args:
      name: 'local'; a TPU's generation and the shape of the slice, such as 'v5e:16x16' or 'v5p:8x8x8'; or a GPU, how
        many a node has and how many nodes there are, such as 'h100:8x4'.
      slices: of a TPU, each of that shape.

    Raises:
      UserError: there is no such topology; or libtpu, the compiler for TPUs, is not installed or does not know it.
    """
    generation = name.partition(":")[0]
    if slices < 1:
        raise UserError(f"--slices={slices} must be at least 1")
    if slices > 1 and (name == LOCAL or generation in GPUS):
        raise UserError(
            f"--slices={slices} is for TPUs: the nodes of --topology={name} are joined as they are"
        )
    if name == LOCAL:
        return Topology(name, tuple(jax.devices()), jax.process_count(), None)
    if not re.fullmatch(r"[a-z0-9]+:\d+(x\d+)+", name):
        raise UserError(
            f"--topology={name} must be 'local', a TPU and the shape of its slice, such as v5e:16x16, v5p:8x8x8, "
            "v6e:16x16 or tpu7x:4x4x4, or a GPU, how many a node has, and nodes, such as h100:8x4"
        )
    return _gpus(name) if generation in GPUS else _tpus(name, slices)


def _tpus(name: str, slices: int) -> Topology:
    if importlib.util.find_spec("libtpu") is None:
        raise UserError(
            f"--topology={name} needs libtpu, the compiler for TPUs: pip install -r requirements-tpu-plan.txt"
        )
    os.environ.update(COMPILER_ONLY)
    os.environ.pop("XLA_FLAGS", None)  # it refuses flags meant for CPUs
    jax.config.update("jax_platforms", "cpu")
    generation = name.partition(":")[0]
    several = {"num_slices": slices} if slices > 1 else {}
    try:
        devices: list[Any] = topologies.get_topology_desc(
            platform="tpu", topology_name=name, **OF_GENERATION.get(generation, {}), **several
        ).devices
    except Exception as error:  # of several types, by the version of jaxlib
        reason = str(error).splitlines()[0]
        raise UserError(f"--topology={name} is unknown to libtpu, which says: {reason}") from error
    hosts = len({(getattr(one, "slice_index", 0), one.process_index) for one in devices})
    return Topology(name, tuple(devices), hosts, CHIPS.get(generation), slices)


def _gpus(name: str) -> Topology:
    generation, _, shape = name.partition(":")
    node, *nodes = (int(size) for size in shape.split("x"))
    if len(nodes) > 1 or not node * nodes[0]:
        raise UserError(
            f"--topology={name} must be {generation}:GPUS_OF_A_NODExNODES, such as {generation}:8x4"
        )
    count = node * nodes[0]
    jax.config.update("jax_platforms", "cpu")
    if compiles_for_gpus():
        devices = _cards(generation, node, nodes[0])
        return Topology(name, devices, nodes[0], GPUS[generation], node=node)
    with contextlib.suppress(RuntimeError):  # devices were used before in this process
        jax.config.update("jax_num_cpu_devices", count)
    if jax.device_count() != count:
        raise UserError(
            f"--topology={name} needs {count} CPUs to stand for it, and this process has {jax.device_count()} already: "
            "plan it in a process of its own, without XLA_FLAGS"
        )
    return Topology(name, tuple(jax.devices()), nodes[0], GPUS[generation], node=node, stood_for=True)


def compiles_for_gpus() -> bool:
    """Says whether XLA's compiler for GPUs is installed."""
    return any(map(importlib.util.find_spec, CUDA))


def _cards(generation: str, node: int, nodes: int) -> tuple[Any, ...]:
    """GPUs as XLA's compiler for them knows them, which needs none."""
    try:
        return tuple(
            topologies.get_topology_desc(
                platform="cuda", topology=f"1x{nodes}x{node}", target_config=_target(generation)
            ).devices
        )
    except Exception as error:  # of several types, by the version of jaxlib
        reason = str(error).splitlines()[0]
        raise UserError(f"XLA's compiler for GPUs does not start for {generation}: {reason}") from error


def _target(generation: str) -> str:
    """A card in the words of XLA's `GpuTargetConfigProto`."""
    card, chip = CARDS[generation], GPUS[generation]
    major, minor = card.capability
    device = {
        "threads_per_warp": 32,
        "threads_per_block_limit": 1024,
        "threads_per_core_limit": 2048,
        "block_dim_limit_x": 2**31 - 1,
        "block_dim_limit_y": 2**16 - 1,
        "block_dim_limit_z": 2**16 - 1,
        "registers_per_core_limit": 2**16,
        "registers_per_block_limit": 2**16,
        "core_count": card.multiprocessors,
        "fpus_per_core": 64 if card.capability == (8, 0) else 128,
        "shared_memory_per_core": card.shared_memory,
        "shared_memory_per_block": 48 * 2**10,
        "shared_memory_per_block_optin": card.shared_memory - 2**10,
        "l2_cache_size": card.cache,
        "clock_rate_ghz": card.clock,
        "memory_bandwidth": int(chip.bandwidth),
        "device_memory_size": chip.memory,
        "cuda_compute_capability": f"{{ major: {major} minor: {minor} }}",
    }
    fields = "\n".join(f"{name}: {value}" for name, value in device.items())
    return (
        f'gpu_device_info {{ {fields} }}\nplatform_name: "CUDA"\ndevice_description_str: "{card.name}"\n'
        f"dnn_version_info {{ major: {CUDNN[0]} minor: {CUDNN[1]} }}\nruntime_version {{ major: 13 }}\n"
    )
