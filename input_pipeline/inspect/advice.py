"""What to change where the loader is slower than the devices."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

_ENOUGH = 1.2  # times what is needed: the rest is for evaluation, checkpoints and neighbours
_THREADS = 4  # of one process: beyond, they wait for each other


def advice(
    delivered: float,
    needed: float,
    stages: Mapping[str, float],
    data: Mapping[str, Any],
    *,
    cores: int,
    resolution: int,
) -> list[str]:
    """Sentences, the most useful first.

    Args:
      delivered, needed: images per second of this host.
      stages: seconds per record.
      data: `data` of the config: "workers" and "threads".
      cores: that this process may use.
      resolution: of the model, in pixels.
    """
    if delivered >= _ENOUGH * needed:
        return [f"The loader keeps up: {delivered / needed:.1f} times what is needed."]
    cost = sum(stages.values())
    wanted = math.ceil(_ENOUGH * needed * cost)
    used = max(1, data["workers"]) * data["threads"]
    binding = max(stages, key=lambda name: stages[name])
    sentences = [
        f"The loader is too slow: {delivered / needed:.0%} of what is needed. {binding.capitalize()} binds, with "
        f"{stages[binding] / cost:.0%} of {1000 * cost:.2f} ms a record; {wanted} cores would do."
    ]
    if used < min(wanted, cores):
        sentences.append(f"{min(wanted, cores)} of {cores} cores can help: {_flags(min(wanted, cores))}")
    if wanted > cores:
        sentences.append(f"This machine's {cores} cores deliver at most about {cores / cost:,.0f} images/s.")
    if binding in ("decode", "read"):
        side = 2 * resolution
        sentences.append(
            f"Smaller images in ArrayRecord files decode and read faster: --job=prepare --output=FOLDER "
            f"--config.prepare.max_side={side}"
        )
    return sentences


def _flags(cores: int) -> str:
    if cores <= _THREADS:
        return f"--config.data.workers=0 --config.data.threads={cores}"
    return f"--config.data.workers={math.ceil(cores / 2)} --config.data.threads=2"
