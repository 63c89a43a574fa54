"""Writes files whole or not at all; what this project leaves under a final name is always complete."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

ASIDE = ".saving"  # how the names of unfinished files end


@contextlib.contextmanager
def writing_whole(path: Path) -> Iterator[BinaryIO]:
    """Opens a file aside and gives it the name `path` once it is written and on disk; after an error nothing is left.

    Whoever else writes the same at the same time, `path` is one of the complete files.
    """
    aside = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}{ASIDE}")
    try:
        with aside.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def write_whole(path: Path, content: bytes) -> None:
    """Replaces the file `path` by one with this content, in one go."""
    with writing_whole(path) as file:
        file.write(content)
