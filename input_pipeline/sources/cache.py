"""Where vlp keeps what it can make again: side indexes, and copies of remote files. Never beside the user's data."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from input_pipeline.sources.shards import OPEN_FILES, FileVersion
from input_pipeline.whole_files import write_whole

Index = Int64[np.ndarray, "records columns"]


def cache_folder(name: str) -> Path:
    """Returns $XDG_CACHE_HOME/vlp/NAME, by default ~/.cache/vlp/NAME."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vlp" / name


@functools.lru_cache(OPEN_FILES)
def cached_index(kind: str, columns: int, file: FileVersion, build: Callable[[FileVersion], Index]) -> Index:
    """Returns the side index of a file, built once for every version (path, size, time) of it.

    A process holds those of the files it used last; a source holds none, so that its copies travel light.

    Args:
      kind: how it is built, with a number that changes when that does.
      columns: numbers per record.
      file: what it is of.
      build: makes the index.
    """
    name = hashlib.sha256(repr((kind, *file)).encode("utf-8", "surrogateescape")).hexdigest()
    path = cache_folder("index") / name
    index = _load(path, columns)
    if index is None:
        index = build(file)
        with contextlib.suppress(OSError):  # a full or read-only disk costs time, nothing else
            _save(path, index)
    return index


def _load(path: Path, columns: int) -> Index | None:
    try:
        data = path.read_bytes()
    except OSError:
        return None
    checksum, numbers = data[:4], data[4:]
    if checksum != _checksum(numbers) or len(numbers) % (8 * columns):
        return None
    return np.frombuffer(numbers, "<i8").reshape(-1, columns)


def _save(path: Path, index: Index) -> None:
    numbers = np.ascontiguousarray(index, "<i8").tobytes()
    write_whole(path, _checksum(numbers) + numbers)


def _checksum(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(4, "little")
