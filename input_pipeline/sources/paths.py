"""From what a config calls a path to files that are there."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from input_pipeline.addresses import is_address
from input_pipeline.errors import UserError
from input_pipeline.patterns import matches
from input_pipeline.records import BadRecord, Reason

PROJECT_ROOT = Path(__file__).resolve().parents[2]
_NUMBERED = re.compile(r"-\d{5}-of-\d{5}$")  # as TFDS numbers its shards
_SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
_LARGEST_IMAGE = 1 << 30  # bytes of a file that is to be one image


def find_files(path: str, *suffixes: str) -> tuple[Path, ...]:
    """Finds the files that a path stands for, sorted by name.

    Args:
      path: a file, a folder (all of its files with a suffix, in capitals too), FOLDER/SPLIT where the names of files
        begin with their split, a pattern, or any of these with a range such as {00000..00999}. A part of the path
        that is there is taken as it stands, brackets and all; only what is not there can be a pattern. A relative
        path is looked for in the working directory, then in the project's root. An address (with ://) is fetched
        into the cache.
      suffixes: such as ".parquet".

    Raises:
      ValueError: there is nothing at the path, it is no regular file, or a folder holds several splits.
    """
    if not path:
        raise UserError("a data source has an empty path: give it a file, a folder or a pattern")
    files = tuple(file for part in _ranges(path) for file in _find(part, suffixes))
    if not files:
        raise UserError(f"the range in {path} is empty")
    return files


def find_folder(path: str) -> Path:
    """Finds the folder that a path stands for, looked for as by `find_files`; of an address in a bucket it is a copy.

    Raises:
      ValueError: there is none.
    """
    if is_address(path):
        from input_pipeline.sources.remote import fetch_below

        return fetch_below(path)
    for place in _places(path):
        if path and place.is_dir():
            return place
    raise UserError(f"there is no folder at {_tried(path)}")


def here(path: str) -> Path:
    """Returns the path of a folder on this machine, there or not; of an address in a bucket the path of a copy.

    Raises:
      ValueError: there is nothing at the address.
    """
    return find_folder(path) if is_address(path) else Path(path).expanduser()


def find_path(path: str) -> Path | None:
    """Finds a file or a folder, looked for as by `find_files`; None where there is neither."""
    return next((place for place in _places(path) if path and place.exists()), None)


def _find(path: str, suffixes: Sequence[str]) -> tuple[Path, ...]:
    if is_address(path):
        from input_pipeline.sources.remote import fetch_all

        return fetch_all(path, suffixes)
    for place in _places(path):
        files = _matches(place, suffixes)
        if files:
            return files
    names = " or ".join(f"*{suffix}" for suffix in suffixes)
    raise UserError(f"there is no file, folder with {names} files or pattern match at {_tried(path)}")


def _places(path: str) -> Iterator[Path]:
    """Where a path may lie: '~' is the home folder, what is relative lies here or in the project."""
    try:
        asked = Path(path).expanduser()
    except RuntimeError as error:  # a home folder of nobody
        raise UserError(f"{path}: {error}") from None
    yield from (root / asked for root in _roots())


def _roots() -> tuple[Path, ...]:
    return (Path.cwd(), PROJECT_ROOT)


def _tried(path: str) -> str:
    if Path(path).expanduser().is_absolute():
        return path
    return f"{path} (looked in {' and '.join(map(str, dict.fromkeys(_roots())))})"


def _matches(path: Path, suffixes: Sequence[str]) -> tuple[Path, ...]:
    if path.is_dir():
        files = _in_folder(path, suffixes)
        check_one_split(path, [file.name for file in files], suffixes[0])
        return files
    if path.exists():
        if not path.is_file():  # a pipe or a device would block or never end
            raise UserError(
                f"{path} is no regular file but a pipe, a socket or a device: copy it into a file"
            )
        return (path,)
    split = _SPLITS.get(path.name.lower())
    if split and path.parent.is_dir():
        files = _in_folder(path.parent, suffixes)
        if chosen := tuple(file for file in files if split_of(file.name) == split):
            return chosen
    return tuple(match for match in matches(path) if match.is_file())


def _in_folder(folder: Path, suffixes: Sequence[str]) -> tuple[Path, ...]:
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if has_suffix(entry.name, suffixes) and entry.is_file()]
    return tuple(folder / name for name in sorted(names))


def has_suffix(name: str, suffixes: Sequence[str]) -> bool:
    """Tells whether a file's name ends in one of the suffixes, in capitals too, perhaps numbered as TFDS does."""
    return not name.startswith(".") and _NUMBERED.sub("", name.lower()).endswith(tuple(suffixes))


def split_of(name: str) -> str:
    """Returns the split that a file's or folder's name begins with: train, validation or test; '' for others."""
    word = re.match(r"[a-z]+(?=[^a-z]|$)", name.lower())
    return _SPLITS.get(word[0], "") if word else ""


def is_split(name: str) -> bool:
    """Tells whether a name is that of a split and nothing else."""
    return name.lower() in _SPLITS


def check_one_split(where: Path, names: Sequence[str], suffix: str = "") -> None:
    """Refuses a folder in which several splits lie side by side: one reads data to test on as data to train on.

    Raises:
      ValueError: names the splits, and how to ask for one of them.
    """
    counts = Counter(filter(None, map(split_of, names)))
    if len(counts) > 1:
        found = " and ".join(f"{split} ({count})" for split, count in sorted(counts.items()))
        raise UserError(
            f"{where} holds several splits, {found}: name one as {where / min(counts)}, or all of them as "
            f"{where}/*{suffix}"
        )


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
    """Reads the file that a data set names, relative to `folder`.

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
            raise BadRecord(
                Reason.MISSING_IMAGE,
                f"{name} lies outside {root or folder}: where images lie elsewhere, name their folder in the "
                f"source's image_folder, such as '{os.path.dirname(path)}'",
            )
        if not os.path.isfile(path):  # a pipe or a device would block or never end
            raise BadRecord(Reason.MISSING_IMAGE, f"{path} is no file")
        with open(path, "rb") as file:
            if (size := os.fstat(file.fileno()).st_size) > _LARGEST_IMAGE:
                raise BadRecord(Reason.TOO_LARGE, f"{path} has {size} bytes, more than {_LARGEST_IMAGE}")
            return file.read()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise BadRecord(Reason.MISSING_IMAGE, f"{name} in {folder}: {error}") from None
