"""Who started this program as one of several processes, read from the environment before jax is loaded."""

from __future__ import annotations

import os
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


def launcher(settings: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> str:
    """The launcher's name; '' where this is the only process.

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


def _has_tpu(environment: Mapping[str, str]) -> bool:
    """Whether chips are attached that this process may use: their host may be one of several of a slice."""
    wanted = environment.get("JAX_PLATFORMS") or "tpu"
    return "tpu" in wanted and any(any(Path("/dev").glob(name)) for name in ("accel[0-9]*", "vfio/[0-9]*"))
