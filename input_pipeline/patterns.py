"""Paths that may be patterns, of which no part that is there is one."""

from __future__ import annotations

import glob
import os
from pathlib import Path


def matches(path: Path) -> list[Path]:
    """Returns what a file, a folder or a glob pattern stands for, sorted.

    The first parts of the path that are there are names, brackets and all: only what is not there can be a pattern.

    Args:
      path: absolute.
    """
    folder, parts = Path(path.anchor), list(path.parts[1:])
    while parts and os.path.exists(folder / parts[0]):  # a name too long for a file system is not there
        folder /= parts.pop(0)
    if not parts:
        return [folder]
    rest = os.path.join("", *parts)
    if not glob.has_magic(rest):
        return []
    return sorted(folder / match for match in glob.glob(rest, root_dir=folder, recursive=True))
