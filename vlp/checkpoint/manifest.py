"""Digests of a checkpoint's files, for a storage layer that restores flipped bytes without complaint."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from input_pipeline.whole_files import write_whole
from vlp.checkpoint.names import ARRAYS, DESCRIPTION, LISTING, MANIFEST, MERGED, PIECES, TOKENIZER

Entries = dict[str, tuple[int, str]]  # size and digest of each file

NEEDED = (DESCRIPTION, TOKENIZER, LISTING)  # of every checkpoint, beside its arrays


def vouched(folder: Path, needed: Iterable[str] = (), only: Iterable[str] = ()) -> Entries:
    """Returns size and SHA-256 of every file below a folder, whose bytes are then on the disk, not on their way to it.

    Args:
      folder: of one checkpoint, or of what one of several processes wrote of it.
      needed: files that have to be among them.
      only: names of those that are asked about; () = all.

    Raises:
      FileNotFoundError: one of them has gone, as when somebody removes the folder at this moment.
    """
    names = [name for name in _files(folder) if not only or name in only]
    if gone := sorted(set(needed) - set(names)):
        raise FileNotFoundError(f"{', '.join(gone)} of {folder} has been removed")
    for name in names:
        sync(folder / name)
    return {name: ((folder / name).stat().st_size, digest) for name, digest in _digests(folder, names)}


def write_manifest(folder: Path, entries: Entries) -> None:
    """Writes down what a checkpoint consists of; whatever has no manifest is not a whole one.

    Args:
      folder: of the checkpoint.
      entries: of all of its files, from `vouched`.
    """
    write_whole(folder / MANIFEST, (json.dumps(entries, indent=1, sort_keys=True) + "\n").encode())
    sync(folder)


def read_manifest(content: bytes) -> Entries:
    """Returns the entries of a manifest.

    Raises:
      ValueError, TypeError, AttributeError: it is none.
    """
    return {name: (size, digest) for name, (size, digest) in json.loads(content).items()}


def digest_of(folder: Path) -> str:
    """Returns the digest of all files of a checkpoint that `find_damage` has nothing against: its manifest's own,
    shortened."""
    return _digest(folder / MANIFEST)[:32]


def find_damage(folder: Path) -> str:
    """Returns what is wrong with a checkpoint, in one line naming the file; '' if every byte is as it was written."""
    try:
        entries = read_manifest((folder / MANIFEST).read_bytes())
    except FileNotFoundError:
        return f"{MANIFEST} is missing"
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        return f"{MANIFEST} cannot be read ({error})"
    arrays = [name.split("/") for name in entries if name.startswith(f"{ARRAYS}/") and name.count("/") > 1]
    parts = {part for _, part, *_ in arrays} - {
        part for _, part, *rest in arrays if rest[-1].endswith(PIECES)
    }
    needed = {*NEEDED, *(f"{ARRAYS}/{part}/{MERGED}" for part in (parts if arrays else {"model"}))}
    if absent := sorted(needed - entries.keys()):
        return f"{MANIFEST} vouches for no {' and no '.join(absent)}"
    try:
        return _first_change(folder, entries)
    except OSError as error:  # a disk that gives up, or a file that goes while it is read
        return f"a file cannot be read ({error})"


def _first_change(folder: Path, entries: Entries) -> str:
    for name, (size, _) in entries.items():
        path = folder / name
        if not path.is_file():
            return f"{name} is missing"
        if path.stat().st_size != size:
            return f"{name} has {path.stat().st_size} bytes instead of {size}"
    for name, digest in _digests(folder, entries):
        if digest != entries[name][1]:
            return f"the bytes of {name} have changed since they were written"
    return ""


def sync(path: Path) -> None:
    """Makes the bytes of a file, or the names in a folder, outlast a loss of power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def _digests(folder: Path, names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Names with their digests, several files at a time: hashing leaves Python's lock to others."""
    names = list(names)
    with ThreadPoolExecutor(max_workers=8) as pool:
        yield from zip(names, pool.map(lambda name: _digest(folder / name), names), strict=True)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
