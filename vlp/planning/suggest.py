"""Which meshes, remat policies and micro-batches fit, tried one after another."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from ml_collections import ConfigDict

from vlp.planning.compile import CompiledStep
from vlp.planning.estimate import Estimate

# From what computes least again to what holds least; the first that fits is the fastest of its mesh.
LADDER = ("none", "light", "mlp", "full")
MICRO_BATCHES = 3  # halvings, where no policy is enough


@dataclasses.dataclass(frozen=True)
class Trial:
    """One variant: the flags that make it, and what came out."""

    flags: dict[str, Any]
    step: CompiledStep
    estimate: Estimate
    fits: bool


Attempt = Callable[[ConfigDict], tuple[CompiledStep, Estimate, bool]]


def trials(config: Any, devices: int, attempt: Attempt) -> Iterator[Trial]:
    """Climbs the ladder for every mesh until something fits.

    Args:
      config: the whole resolved config; the size of its model axis stays.
      devices: of the topology.
      attempt: compiles a config, estimates it and says whether it fits.

    Raises:
      ValueError: not one of them can be compiled; says why the first cannot.
    """
    model, refused, found = max(1, config.mesh.model), list[ValueError](), False
    for fsdp in fsdp_sizes(devices // model):
        for remat, micro_batch in rungs(config.batch_size):
            flags = {
                "mesh.data": -1,
                "mesh.fsdp": fsdp,
                "model.remat": remat,
                "model.micro_batch": micro_batch,
            }
            variant = ConfigDict(config).copy_and_resolve_references()
            variant.update_from_flattened_dict(flags)
            try:
                trial = Trial(flags, *attempt(variant))
            except ValueError as error:  # such a mesh or part does not divide the batch or the model
                refused.append(error)
                continue
            found = True
            yield trial
            if trial.fits:
                break
    if not found:
        raise refused[0]


def fsdp_sizes(devices: int) -> list[int]:
    """Returns none, some and all of the devices: 1, the power of two nearest to the root, all."""
    root = 1
    while root * root < devices:
        root *= 2
    return sorted({size for size in (1, root, devices) if devices % size == 0})


def rungs(batch_size: int) -> Iterator[tuple[str, int]]:
    """Yields remat policies and micro-batches, from fast and large to slow and small."""
    for remat in LADDER:
        yield remat, 0
    for halvings in range(1, MICRO_BATCHES + 1):
        if batch_size % 2**halvings == 0:
            yield "full", batch_size // 2**halvings


def ranked(tried: list[Trial]) -> list[Trial]:
    """Orders trials: those that fit first, the fastest ahead, of equal ones the one that needs less memory."""
    return sorted(tried, key=lambda one: (not one.fits, one.estimate.step_seconds[1], one.step.needed or 0))
