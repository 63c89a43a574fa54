"""From what a config calls a path to files that are there."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from input_pipeline.records import BadRecord, Reason

PROJECT_ROOT = Path(__file__).resolve().parents[2]


def find_files(path: str, *suffixes: str) -> tuple[Path, ...]:
    """The files that a path stands for, sorted by name.

    Args:
      path: a file, a folder (all of its files with a suffix), a glob pattern, or any of these with a range such
        as {00000..00999}. A relative path is looked for in the working directory, then in the project's root. An
        address (with ://) is fetched into the cache.
      suffixes: such as ".parquet".

    Raises:
      ValueError: there is nothing at the path.
    """
    if not path:
        raise ValueError("a data source has an empty path: give it a file, a folder or a pattern")
    files = tuple(file for part in _ranges(path) for file in _find(part, suffixes))
    if not files:
        raise ValueError(f"the range in {path} is empty")
    return files


def find_folder(path: str) -> Path:
    """The folder that a path stands for, looked for as by `find_files`.

    Raises:
      ValueError: there is none.
    """
    for root in _roots():
        folder = root / Path(path).expanduser()
        if path and folder.is_dir():
            return folder
    raise ValueError(f"there is no folder at {_tried(path)}")


def is_remote(path: str) -> bool:
    return "://" in path


def _find(path: str, suffixes: Sequence[str]) -> tuple[Path, ...]:
    if is_remote(path):
        from input_pipeline.sources.remote import fetch_all

        return fetch_all(path, suffixes)
    for root in _roots():
        files = _matches(root / Path(path).expanduser(), suffixes)
        if files:
            return files
    names = " or ".join(f"*{suffix}" for suffix in suffixes)
    raise ValueError(f"there is no file, folder with {names} files or pattern match at {_tried(path)}")


def _roots() -> tuple[Path, ...]:
    return (Path.cwd(), PROJECT_ROOT)


def _tried(path: str) -> str:
    if Path(path).is_absolute():
        return path
    return f"{path} (looked in {' and '.join(map(str, dict.fromkeys(_roots())))})"


def _matches(path: Path, suffixes: Sequence[str]) -> tuple[Path, ...]:
    if path.is_dir():
        # The second as TFDS numbers its shards.
        names = (name for suffix in suffixes for name in (f"*{suffix}", f"*{suffix}-?????-of-?????"))
        return tuple(sorted(file for name in names for file in path.glob(name)))
    if path.exists():
        return (path,)
    return tuple(Path(match) for match in sorted(glob.glob(str(path), recursive=True)))


def _ranges(path: str) -> Iterator[str]:
    """{000..999} written out, as WebDataset has it."""
    found = re.search(r"\{(\d+)\.\.(\d+)\}", path)
    if not found:
        yield path
        return
    first, last = found.groups()
    for number in range(int(first), int(last) + 1):
        yield from _ranges(f"{path[: found.start()]}{number:0{len(first)}d}{path[found.end() :]}")


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
