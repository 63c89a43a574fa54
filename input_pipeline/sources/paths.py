"""From what a config calls a path to files that are there."""

from __future__ import annotations

import glob
import os
from pathlib import Path

from input_pipeline.records import BadRecord, Reason

PROJECT_ROOT = Path(__file__).resolve().parents[2]


def find_files(path: str, suffix: str) -> tuple[Path, ...]:
    """The files that a path stands for, sorted by name.

    Args:
      path: a file, a folder (all of its files with the suffix) or a glob pattern. A relative path is looked
        for in the working directory, then in the project's root.
      suffix: such as ".parquet".

    Raises:
      ValueError: there is nothing at the path.
    """
    if not path:
        raise ValueError("a data source has an empty path: give it a file, a folder or a pattern")
    roots = (Path.cwd(), PROJECT_ROOT)
    for root in roots:
        files = _matches(root / Path(path).expanduser(), suffix)
        if files:
            return files
    tried = (
        path
        if Path(path).is_absolute()
        else f"{path} (looked in {' and '.join(map(str, dict.fromkeys(roots)))})"
    )
    raise ValueError(f"there is no file, folder with *{suffix} files or pattern match at {tried}")


def _matches(path: Path, suffix: str) -> tuple[Path, ...]:
    if path.is_dir():
        names = (f"*{suffix}", f"*{suffix}-?????-of-?????")  # the second as TFDS numbers its shards
        return tuple(sorted(file for name in names for file in path.glob(name)))
    if path.exists():
        return (path,)
    return tuple(Path(match) for match in sorted(glob.glob(str(path), recursive=True)))


def read_beside(folder: Path, name: str, root: Path | None = None) -> bytes:
    """The bytes of the file that a data set names, relative to `folder`.

    Args:
      folder: of the file that names it.
      name: what it says there.
      root: the folder that nothing may lie outside of, links followed; `folder` where None.

    Raises:
      BadRecord: the name leads out of the root, or there is no such file.
    """
    try:
        path = os.path.realpath(os.path.join(folder, name))
        if not Path(path).is_relative_to(os.path.realpath(root or folder)):
            raise BadRecord(Reason.MISSING_IMAGE, f"{name} lies outside {root or folder}")
        if not os.path.isfile(path):  # a pipe or a device would block or never end
            raise BadRecord(Reason.MISSING_IMAGE, f"{path} is no file")
        with open(path, "rb") as file:
            return file.read()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise BadRecord(Reason.MISSING_IMAGE, f"{name} in {folder}: {error}") from None
