"""What the files of a source hold, in a few letters: other letters mean other data. Of large files parts are read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_FILES, _PIECES = 64, 16  # at most, of a source and of a file
_PIECE, _TAIL = 1 << 12, 1 << 16  # bytes; at its end a Parquet file says what is in each of its columns
_THREADS = 16


def digest(said: Iterable[object], files: Sequence[str | Path]) -> str:
    """Hashes what is known of all files, and of at most 64, evenly spread, their sizes and some pieces.

    It is no proof of sameness: a change between the pieces of a large file that leaves its size is not seen.

    Args:
      said: what is known without reading, such as sizes or names.
      files: in the order of their records.
    """
    hashed = hashlib.sha256(repr(list(said)).encode())
    with ThreadPoolExecutor(_THREADS) as pool:
        for part in pool.map(_pieces, files[:: -(-len(files) // _FILES) or 1]):
            hashed.update(part)
    return hashed.hexdigest()[:16]


def _pieces(path: str | Path) -> bytes:
    hashed = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            hashed.update(str(size).encode())
            for place in range(0, size, max(size // _PIECES, _PIECE)):
                file.seek(place)
                hashed.update(file.read(_PIECE))
            file.seek(max(0, size - _TAIL))
            hashed.update(file.read(_TAIL))
    except OSError:
        hashed.update(b"cannot be read")
    return hashed.digest()
