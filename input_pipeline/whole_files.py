"""Writes files whole or not at all; what this project leaves under a final name is always complete."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import BinaryIO

import numpy as np
from jaxtyping import Shaped

ASIDE = ".saving"  # how the names of unfinished files end


class NotWritten(OSError):
    """Says which file the system would not have written, and why."""

    def __str__(self) -> str:
        return str(self.strerror)  # a sentence, without the system's number before it


@contextlib.contextmanager
def writing_whole(path: Path) -> Iterator[BinaryIO]:
    """Opens a file aside and gives it the name `path` once it is written and on disk; after an error nothing is left.

    Whoever else writes the same at the same time, `path` is one of the complete files. Its folder is made if needed.

    Raises:
      NotWritten: it cannot be, as on a full disk: the message says which file, and why.
    """
    aside = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}{ASIDE}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with aside.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
        sync_names(path.parent)
    except OSError as error:
        if error.errno is None:  # of who writes, such as an answer that was cut, and not of the system
            raise
        raise NotWritten(error.errno, f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes) -> None:
    """Replaces the file `path` by one with this content, in one go; raises as `writing_whole`."""
    with writing_whole(path) as file:
        file.write(content)


def save_array(file: BinaryIO, array: Shaped[np.ndarray, ...]) -> None:
    """Writes an array as .npy by the file's own `write`: numpy's way past it does not say why a disk refuses."""
    np.save(SimpleNamespace(write=file.write), array)


def sync_names(folder: Path) -> None:
    """Has renames in a folder reach the disk, where the file system can be told to."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
