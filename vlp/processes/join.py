"""Joining the processes of a run, before any device is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax

from input_pipeline.errors import UserError
from vlp.processes.launcher import launcher, own_devices


def join(settings: Mapping[str, Any]) -> None:
    """Connects this process to the others of its run, if a launcher or the flags say that there are others.

    Args:
      settings: `distributed` of the config.

    Raises:
      ValueError: the others were not found in time.
    """
    name = launcher(settings)
    if not name or jax.distributed.is_initialized():
        return
    # Ranks and coordinator of a launcher are found by jax itself.
    place = (
        {
            "coordinator_address": settings["coordinator"],
            "num_processes": settings["processes"],
            "process_id": settings["process"],
        }
        if name == "flags"
        else {}
    )
    try:
        jax.distributed.initialize(
            **place,
            local_device_ids=own_devices(name),
            initialization_timeout=settings["start_seconds"],
            heartbeat_timeout_seconds=settings["heartbeat_seconds"],
        )
    except RuntimeError as error:
        raise UserError(
            f"the processes of this run ({name}) did not find each other in {settings['start_seconds']} s "
            f"(distributed.start_seconds): {error}. Is every process started, and its port reachable?"
        ) from error
