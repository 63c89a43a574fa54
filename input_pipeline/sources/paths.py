"""From what a config calls a path to files that are there."""

from __future__ import annotations

import glob
from pathlib import Path

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
        return tuple(sorted(path.glob(f"*{suffix}")))
    if path.exists():
        return (path,)
    return tuple(Path(match) for match in sorted(glob.glob(str(path), recursive=True)))
