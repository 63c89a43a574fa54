"""Remote files by their address (https://, s3://, gs:// ...), through fsspec: fetched once, whole, into the cache.

A file lands under another name and is renamed when it is complete; processes that want the same one wait for
the first. What is in the cache is used without asking whether the original has changed: remove it to fetch anew.
The folder is $VLP_DATA_CACHE, by default $XDG_CACHE_HOME/vlp/data.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from input_pipeline.sources.cache import cache_folder

_THREADS = 16
_CHUNK = 1 << 22


def fetch_all(address: str, suffixes: Sequence[str]) -> tuple[Path, ...]:
    """Local copies of what an address stands for, in the order of their names.

    Args:
      address: of a file, of a folder (all of its files with a suffix), or a pattern with * where the file system
        can list.
      suffixes: such as ".tar".

    Raises:
      ValueError: there is nothing, it cannot be fetched, or a package is missing.
    """
    try:
        addresses = _addresses(address, suffixes)
        with ThreadPoolExecutor(_THREADS) as pool:
            return tuple(pool.map(_fetch, addresses))
    except ImportError as error:
        raise ValueError(f"{address}: this kind of address needs a package: {error}") from None
    except Exception as error:  # every file system of fsspec has errors of its own
        raise ValueError(f"{address} cannot be fetched: {type(error).__name__}: {error}") from None


def _addresses(address: str, suffixes: Sequence[str]) -> list[str]:
    import fsspec

    system, path = fsspec.core.url_to_fs(address)
    if "*" in address:
        found = system.glob(path)
    elif address.split("?")[0].endswith(tuple(suffixes)):
        found = [path]
    elif system.isdir(path):
        found = [name for name in system.ls(path, detail=False) if str(name).endswith(tuple(suffixes))]
    else:
        found = [path]
    if not found:
        raise FileNotFoundError(f"no file with {' or '.join(suffixes)} and no match of the pattern")
    return sorted(system.unstrip_protocol(name) for name in found)


def _fetch(address: str) -> Path:
    folder = Path(os.environ.get("VLP_DATA_CACHE") or cache_folder("data"))
    folder = folder / hashlib.sha256(address.encode()).hexdigest()[:24]
    target = folder / (address.split("?")[0].rstrip("/").rsplit("/", 1)[-1] or "data")
    if target.exists():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            _copy(address, target)
    return target


def _copy(address: str, target: Path) -> None:
    import fsspec

    aside = target.with_name(".incomplete")
    with fsspec.open(address, "rb") as source, open(aside, "wb") as copy:
        shutil.copyfileobj(source, copy, _CHUNK)
        expected: Any = getattr(source, "size", None)
        if expected is not None and copy.tell() != expected:
            raise OSError(f"{copy.tell()} of {expected} bytes arrived")
    aside.replace(target)
