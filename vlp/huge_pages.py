"""Memory in huge pages, for programs that compute on the CPU."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

TUNABLES, HUGE_PAGES = "GLIBC_TUNABLES", "glibc.malloc.hugetlb=1"


def restart_with_huge_pages() -> None:
    """Starts this program again in its own place, with malloc asking for huge pages, where there are only CPU devices.

    XLA allocates a step's temporaries, gigabytes of them, anew for every step. In pages of 4 KiB that is a
    million page faults a step, which can take a third of its time; in pages of 2 MiB it is a few thousand. Glibc reads
    the setting only as a program starts (2.35 or later; others ignore it); whoever has set it is left alone.
    """
    if sys.platform == "linux" and TUNABLES not in os.environ and _only_cpu():
        os.environ[TUNABLES] = HUGE_PAGES
        os.execv(sys.executable, sys.orig_argv)


def _only_cpu() -> bool:
    """Whether JAX will find CPU devices only, asked before it is started: libtpu alone is no sign of a TPU."""
    if os.environ.get("JAX_PLATFORMS"):
        return os.environ["JAX_PLATFORMS"] == "cpu"
    has_tpu = any(any(Path("/dev").glob(name)) for name in ("accel*", "vfio/[0-9]*"))
    return not has_tpu and importlib.util.find_spec("jax_plugins") is None
