"""Which meshes, remat policies, chunks and micro-batches fit, tried one after another, and what other recipes cost."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from ml_collections import ConfigDict

from vlp.configuration import stages
from vlp.configuration.schema import check_parts
from vlp.models.families import TOWERS
from vlp.planning.compile import CompiledStep
from vlp.planning.estimate import Estimate

# From what computes least again to what holds least; the first that fits is the fastest of its mesh.
LADDER = ("none", "light", "mlp", "full")
MICRO_BATCHES = 3  # halvings, where no policy is enough
CHUNK = 1024  # rows of a score matrix at a time
SMALL_STAGE = 0.9  # of a run, for a first stage of half the size

Flags = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Trial:
    """One variant: the flags that make it, what came out, and in words what they change of what is learned."""

    flags: Flags
    step: CompiledStep
    estimate: Estimate
    fits: bool
    changes: str = ""


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
        for rung in rungs(config):
            flags = {"mesh.data": -1, "mesh.fsdp": fsdp, **rung}
            try:
                trial = Trial(flags, *attempt(_with(config, flags)))
            except ValueError as error:  # such a mesh or part does not divide the batch or the model
                refused.append(error)
                continue
            found = True
            yield trial
            if trial.fits:
                break
    if not found:
        raise refused[0]


def recipes(config: Any, best: Flags, attempt: Attempt) -> Iterator[Trial]:
    """Tries what learns something else for less, with the flags that suit the recipe as it is.

    Yields one of each tower held, and of each stage before the last: the config's own, else one of half the side and
    length. What cannot be is passed over.

    Args:
      config: the whole resolved config.
      best: flags of the trial that fits and is fastest.
      attempt: as for `trials`.
    """
    for tower in TOWERS:
        held = {**best, "optimizer.learning_rate_rules": _holding(config, tower)}
        yield from _other(f"the {tower} tower held", held, _with(config, held), attempt)
    small = best if config.stages.until else {**best, **_half(config)}
    first, *later = stages(_with(config, small))
    if later:
        what = f"stage 1 of {first.total}, {first.until / config.steps:.0%} of the run"
        yield from _other(what, small, first.config, attempt)


def _other(changes: str, flags: Flags, variant: Any, attempt: Attempt) -> Iterator[Trial]:
    try:
        yield Trial(flags, *attempt(variant), changes)
    except ValueError:  # there is no such tower, or it cannot be so small
        return


def _holding(config: Any, tower: str) -> str:
    rules = config.optimizer.learning_rate_rules
    return "; ".join(filter(None, (f"^model/{tower}(_projection)?/ = 0", rules)))


def _half(config: Any) -> Flags:
    """A first stage of half the side, in whole patches, and half the length."""
    patch = config.model.image.patch_size
    return {
        "stages.until": (SMALL_STAGE,),
        "stages.resolution": (max(1, config.model.image.resolution // (2 * patch)) * patch,),
        "stages.text_length": (max(2, config.tokenizer.length // 2),),
    }


def _with(config: Any, flags: Flags) -> ConfigDict:
    variant = ConfigDict(config).copy_and_resolve_references()
    variant.update_from_flattened_dict(flags)
    return variant


def fsdp_sizes(devices: int) -> list[int]:
    """Returns none, some and all of the devices: 1, the power of two nearest to the root, all."""
    root = 1
    while root * root < devices:
        root *= 2
    return sorted({size for size in (1, root, devices) if devices % size == 0})


def rungs(config: Any) -> Iterator[Flags]:
    """Yields flags that hold less and less, from fast and large to slow and small.

    What is learned stays the same but for rounding; momentum in bfloat16 rounds most, and comes after all policies.

    Args:
      config: the whole resolved config; what it has of this already is not tried again.
    """
    chunks = _chunks(config)
    base: Flags = {"model.micro_batch": 0}
    for remat in LADDER:
        yield {**base, "model.remat": remat}
        if chunks and remat == LADDER[0]:
            yield {**base, "model.remat": remat, **chunks}
        base |= chunks
    base["model.remat"] = LADDER[-1]
    if config.optimizer.momentum_dtype == "float32":
        base["optimizer.momentum_dtype"] = "bfloat16"
        yield dict(base)
    for halvings in range(1, MICRO_BATCHES + 1):
        if config.batch_size % 2**halvings == 0:
            yield {**base, "model.micro_batch": config.batch_size // 2**halvings}


def _chunks(config: Any) -> Flags:
    """The chunks of objectives that hold whole score matrices and need not."""
    dense = [name for name, one in config.objectives.items() if one.weight and one.get("chunk") == 0]
    return {path: CHUNK for path in (f"objectives.{name}.chunk" for name in dense) if _allowed(config, path)}


def _allowed(config: Any, path: str) -> bool:
    try:
        check_parts(_with(config, {path: CHUNK}))
    except ValueError:  # its kernel needs the whole matrix
        return False
    return True


def ranked(tried: list[Trial]) -> list[Trial]:
    """Orders trials: those that fit first, the fastest ahead, of equal ones the one that needs less memory."""
    return sorted(tried, key=lambda one: (not one.fits, one.estimate.step_seconds[1], one.step.needed or 0))
