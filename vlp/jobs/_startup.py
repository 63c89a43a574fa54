"""What every job that computes does first: compilation cache, devices, mesh."""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
from jax.sharding import Mesh

from vlp.configuration import ConfigError, validate_devices
from vlp.parallel.mesh import make_mesh


@contextlib.contextmanager
def configuring() -> Iterator[None]:
    """Everything found wrong in here is the configuration's fault: one readable line instead of a traceback."""
    try:
        yield
    except ValueError as error:
        raise ConfigError(str(error)) from error


def reuse_freed_memory() -> None:
    """Makes malloc keep memory that is given back to it, where there are only CPU devices.

    XLA's CPU back end allocates a step's temporaries anew for every step; without this the system takes the pages back
    each time, and faulting them in again costs a sixth of a quickstart step. Has to come before any thread starts.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc has it
    if mallopt is not None and _only_cpu():
        one_arena, no_mmap, never_trim = (-8, 1), (-4, 0), (-1, -1)
        for option in (one_arena, no_mmap, never_trim):
            mallopt(*option)


def _only_cpu() -> bool:
    """Whether JAX will find CPU devices only, asked before it is started: libtpu alone is no sign of a TPU."""
    if os.environ.get("JAX_PLATFORMS"):
        return os.environ["JAX_PLATFORMS"] == "cpu"
    has_tpu = any(any(Path("/dev").glob(name)) for name in ("accel*", "vfio/[0-9]*"))
    return not has_tpu and importlib.util.find_spec("jax_plugins") is None


def start_devices(config: Any) -> Mesh:
    """Checks the config against the devices, makes the mesh and sets it for the rest of the program.

    Raises:
      ConfigError: the mesh or the batch does not fit the devices.
    """
    reuse_freed_memory()
    use_compilation_cache()
    mesh = make_mesh(validate_devices(config, jax.device_count(), jax.process_count()))
    jax.set_mesh(mesh)
    return mesh


def usable_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def use_compilation_cache() -> None:
    """Keeps compiled programs between runs: in JAX_COMPILATION_CACHE_DIR, else under the user's cache folder."""
    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        root = Path(os.environ.get("XDG_CACHE_HOME", "") or Path.home() / ".cache")
        jax.config.update("jax_compilation_cache_dir", str(root / "vlp" / "compiled"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
