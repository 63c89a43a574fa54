"""Who started this program as one of several processes, read from the environment before jax is loaded."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# A variable that says how many processes there are, and those that a step of that launcher has beside it. A batch
# script of SLURM has the first alone: what it starts without srun is one process.
LAUNCHERS = {
    "slurm": ("SLURM_NTASKS", ("SLURM_JOB_ID", "SLURM_STEP_NODELIST", "SLURM_PROCID", "SLURM_LOCALID")),
    "openmpi": ("OMPI_COMM_WORLD_SIZE", ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_LOCAL_RANK")),
    "kubernetes": ("JOB_COMPLETIONS", ("JOB_COMPLETION_INDEX", "KUBERNETES_SERVICE_HOST")),
}

VISIBLE = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")


def launcher(settings: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> str:
    """Returns the launcher's name; '' where this is the only process.

    Args:
      settings: `distributed` of the config; a coordinator given there comes before all that is found.
      environment: variables of the process.
    """
    if settings["coordinator"]:
        return "flags"
    for name, (count, others) in LAUNCHERS.items():
        if int(environment.get(count) or 1) > 1 and all(one in environment for one in others):
            return name
    return "tpu" if _has_tpu(environment) else ""


def own_devices(name: str, environment: Mapping[str, str] = os.environ) -> list[int] | None:
    """Returns which of the GPUs that this process sees are its own, by their place among them; None leaves it to jax.

    jax has every process take the one GPU of its number on the host, which takes all to see all of them. A task that
    sees but its own (--gpus-per-task) or is the only one of its host has to take what it sees.

    Args:
      name: of the launcher.
      environment: variables of the process.
    """
    shown = next((environment[one] for one in VISIBLE if one in environment), "")
    count = len([one for one in shown.split(",") if one.strip()])
    if name not in ("slurm", "openmpi") or not count:
        return None
    bound = count < int(environment.get("SLURM_GPUS_ON_NODE") or 0)
    return list(range(count)) if count == 1 or bound or _tasks_here(environment) == 1 else None


def _tasks_here(environment: Mapping[str, str]) -> int:
    """How many tasks of the step this host has; 0 where they are not equally many on all hosts or it is not said."""
    said = environment.get("OMPI_COMM_WORLD_LOCAL_SIZE") or environment.get("SLURM_STEP_TASKS_PER_NODE", "")
    number = re.fullmatch(r"(\d+)(\(x\d+\))?", said)
    return int(number[1]) if number else 0


def _has_tpu(environment: Mapping[str, str]) -> bool:
    """Whether chips are attached that this process may use: their host may be one of several of a slice."""
    wanted = environment.get("JAX_PLATFORMS") or "tpu"
    return "tpu" in wanted and any(any(Path("/dev").glob(name)) for name in ("accel[0-9]*", "vfio/[0-9]*"))
