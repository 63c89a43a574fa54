"""What TPU chips can do, as their maker publishes it (docs.cloud.google.com/tpu/docs: v4, v5e, v5p, v6e, tpu7x)."""

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
      dimensions: of the torus that the links make.
      devices: what JAX counts for one chip: its cores, where each is a device of its own.
    """

    flops: float
    memory: int
    bandwidth: float
    interconnect: float
    dimensions: int
    devices: int = 1


CHIPS: dict[str, Chip] = {
    "v4": Chip(275e12, 32 * GIB, 1228e9, 300e9, 3),
    "v5e": Chip(197e12, 16 * GIB, 819e9, 200e9, 2),
    "v5p": Chip(459e12, 95 * GIB, 2765e9, 600e9, 3),
    "v6e": Chip(918e12, 32 * GIB, 1638e9, 400e9, 2),
    "tpu7x": Chip(2307e12, 192 * GIB, 7380e9, 600e9, 3, devices=2),
}
