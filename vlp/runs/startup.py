"""What every job that computes does first: compilation cache, devices, mesh."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
from jax.sharding import Mesh

from input_pipeline.errors import UserError
from vlp.configuration import ConfigError, validate_devices
from vlp.parallel.mesh import make_mesh, slices_of
from vlp.processes.join import join


@contextlib.contextmanager
def configuring() -> Iterator[None]:
    """Turns mistakes of the user that are found in here into one readable line; a bug keeps its traceback."""
    try:
        yield
    except UserError as error:
        raise ConfigError(str(error)) from error
    except ValueError as error:
        if not _of_given_bytes(error):
            raise
        raise ConfigError(f"what was given cannot be read: {error}") from error


def _of_given_bytes(error: ValueError) -> bool:
    """Whether a library says that bytes of the user's are no JSON, text or Parquet."""
    return isinstance(error, json.JSONDecodeError | UnicodeError) or type(error).__module__.startswith(
        "pyarrow"
    )


def start_devices(config: Any) -> Mesh:
    """Joins the other processes of the run, checks the config against the devices, makes the mesh and sets it for the
    rest of the program.

    Raises:
      ConfigError: the mesh or the batch does not fit the devices.
      ValueError: the other processes were not found.
    """
    use_compilation_cache()
    join(config.distributed)
    mesh = mesh_of(config)
    jax.set_mesh(mesh)
    return mesh


def mesh_of(config: Any) -> Mesh:
    """Makes the mesh of a config over all devices of all processes.

    Raises:
      ConfigError: the mesh or the batch does not fit the devices or the slices that they form.
    """
    slices = config.distributed.slices
    groups = slices_of(jax.devices(), slices)
    return make_mesh(validate_devices(config, jax.device_count(), len(groups)), slices=slices)


def usable_cores() -> int:
    """Returns how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def use_compilation_cache() -> None:
    """Keeps compiled programs between runs: in JAX_COMPILATION_CACHE_DIR, else under the user's cache folder.

    What took less than 0.2 s is not kept, unless JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS says otherwise.
    """
    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        root = Path(os.environ.get("XDG_CACHE_HOME", "") or Path.home() / ".cache")
        jax.config.update("jax_compilation_cache_dir", str(root / "vlp" / "compiled"))
    if not os.environ.get("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"):
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
