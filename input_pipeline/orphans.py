"""What a run leaves behind that is killed outright: loader processes, and the memory that they share with it.

A loader process watches the one that started it, and ends with it and frees the memory. Where it was killed, too, the
next run does, as the names of what is shared say whose it was.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import threading
from multiprocessing import connection, resource_tracker, shared_memory
from pathlib import Path
from typing import Any

_SHARED = Path("/dev/shm")
_RANDOM_DIGITS = 16


def end_with_parent() -> None:
    """Has this process end as soon as the one that started it is gone, and free what they shared."""
    parent, owner = multiprocessing.parent_process(), _owner(os.getppid())
    if parent is None:
        return

    def watch() -> None:
        connection.wait([parent.sentinel])
        for file in _SHARED.glob(f"{owner}*"):
            with contextlib.suppress(OSError):  # another loader process was first
                file.unlink()
                # Which would free it once more, and complain.
                resource_tracker.unregister(f"/{file.name}", "shared_memory")
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def name_shared_memory() -> None:
    """Has what this process shares from now on say which run it belongs to."""
    prefix = f"/{_owner(os.getppid())}"
    module: Any = shared_memory
    if hasattr(module, "_SHM_NAME_PREFIX") and hasattr(module, "_SHM_SAFE_NAME_LENGTH"):
        module._SHM_NAME_PREFIX = prefix
        module._SHM_SAFE_NAME_LENGTH = len(prefix) + _RANDOM_DIGITS


def free_shared_memory() -> None:
    """Frees what runs left that are no more; the names of living ones, and of other containers, are passed over."""
    with contextlib.suppress(OSError):
        for file in _SHARED.glob(f"{_owner('*')}*"):
            process = file.name.split("_")[2]
            if process.isdigit() and not Path(f"/proc/{process}").exists():
                with contextlib.suppress(OSError):
                    file.unlink()


def _owner(process: int | str) -> str:
    """How names begin: a process number means something only among the processes that see each other."""
    return (
        f"vlp_{os.stat('/proc/self/ns/pid').st_ino if os.path.exists('/proc/self/ns/pid') else 0}_{process}_"
    )
