"""What accelerators can do, as their makers publish it.

TPUs: docs.cloud.google.com/tpu/docs (v4, v5e, v5p, v6e, tpu7x). GPUs: NVIDIA's data sheets of the SXM cards, dense
products; a network adapter of 200 (A100) or 400 Gbit/s (H100, H200) for each card, as in DGX systems.
"""

from __future__ import annotations

import dataclasses

GIB = 2**30


@dataclasses.dataclass(frozen=True)
class Chip:
    """Per chip, not per core.

    Attributes:
      flops: peak of bfloat16 matrix products a second.
      memory: HBM, bytes.
      bandwidth: HBM, bytes a second.
      interconnect: bytes a second that a chip sends over all its links together, one way.
      dimensions: of the torus that the links make; 1 for a switch.
      devices: what JAX counts for one chip: its cores, where each is a device of its own.
      network: bytes a second that a chip sends to other slices or nodes, one way; 0 = not published for a chip.
    """

    flops: float
    memory: int
    bandwidth: float
    interconnect: float
    dimensions: int
    devices: int = 1
    network: float = 0.0


CHIPS: dict[str, Chip] = {
    "v4": Chip(275e12, 32 * GIB, 1228e9, 300e9, 3),
    "v5e": Chip(197e12, 16 * GIB, 819e9, 200e9, 2, network=3.125e9),
    "v5p": Chip(459e12, 95 * GIB, 2765e9, 600e9, 3, network=6.25e9),
    "v6e": Chip(918e12, 32 * GIB, 1638e9, 400e9, 2, network=12.5e9),
    "tpu7x": Chip(2307e12, 192 * GIB, 7380e9, 600e9, 3, devices=2),
}


@dataclasses.dataclass(frozen=True)
class Card:
    """Holds what XLA's compiler for GPUs asks of a card that is not here, as NVIDIA's tables have it.

    Attributes:
      name: as the driver says it.
      capability: the compute capability.
      multiprocessors: of the SXM card.
      shared_memory: bytes of a multiprocessor; a block may have 1 KiB less.
      cache: bytes of L2.
      clock: the boost clock, GHz.
    """

    name: str
    capability: tuple[int, int]
    multiprocessors: int
    shared_memory: int
    cache: int
    clock: float


GPUS: dict[str, Chip] = {
    "a100": Chip(312e12, 80 * 10**9, 2039e9, 300e9, 1, network=25e9),
    "h100": Chip(989e12, 80 * 10**9, 3350e9, 450e9, 1, network=50e9),
    "h200": Chip(989e12, 141 * 10**9, 4800e9, 450e9, 1, network=50e9),
}
CARDS: dict[str, Card] = {
    "a100": Card("NVIDIA A100-SXM4-80GB", (8, 0), 108, 164 * 2**10, 40 * 2**20, 1.41),
    "h100": Card("NVIDIA H100 80GB HBM3", (9, 0), 132, 228 * 2**10, 50 * 2**20, 1.98),
    "h200": Card("NVIDIA H200", (9, 0), 132, 228 * 2**10, 50 * 2**20, 1.98),
}
