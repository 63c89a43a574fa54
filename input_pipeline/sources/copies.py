"""Copies of remote files in the cache: each made once, by the first of the processes that want it, and then shared."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from input_pipeline.sources.cache import cache_folder
from input_pipeline.whole_files import ASIDE


def copy_of(what: str, name: str, make: Callable[[Path], None]) -> Path:
    """Returns the copy of something remote.

    Args:
      what: is copied: an address, and of which content where that is known.
      name: of the copy.
      make: makes it at a path, whole or not at all.
    """
    folder = Path(os.environ.get("VLP_DATA_CACHE") or cache_folder("data"))
    folder = folder / hashlib.sha256(what.encode()).hexdigest()[:24]
    target = folder / name
    if target.exists():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            for left in folder.glob(f"*{ASIDE}"):  # by a process that was killed: the lock is ours
                shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)
            make(target)
    return target
