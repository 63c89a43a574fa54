"""Copies of what lies in buckets (gs://, s3://), whole. A copy is of one content: what has changed is fetched anew."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from input_pipeline.addresses import redacted
from input_pipeline.buckets import Bucket, Version
from input_pipeline.errors import UserError
from input_pipeline.sources.copies import copy_of
from input_pipeline.whole_files import ASIDE, writing_whole

_THREADS = 16
_PATTERN = frozenset("*?[")


def fetch_objects(address: str, suffixes: Sequence[str]) -> tuple[Path, ...]:
    """Returns copies of the objects that an address stands for, in the order of their names.

    Args:
      address: of an object, of a folder (all that lies in it with a suffix) or a pattern; what is there is taken as it
        stands.
      suffixes: such as ".tar"; () = any.

    Raises:
      ValueError: there is nothing.
      OSError: the bucket refuses, or does not answer.
    """
    bucket, found = _found(address, suffixes)
    with ThreadPoolExecutor(_THREADS) as pool:
        return tuple(pool.map(lambda name: _fetched(bucket, name, found[name]), sorted(found)))


def fetch_folder(address: str) -> Path:
    """Returns a copy of all that lies below an address, folders and all; raises as `fetch_objects`."""
    bucket = Bucket(address)
    there = {name: version for name, version in bucket.versions().items() if not name.endswith("/")}
    if not there:
        raise UserError(f"{redacted(address)}: there is nothing below it")
    if outside := [name for name in there if ".." in name.split("/") or name.startswith("/")]:
        raise UserError(f"{redacted(address)}: {outside[0]} is no name of a file")

    def copy(target: Path) -> None:
        aside = target.with_name(f"{target.name}{ASIDE}")
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(lambda name: _copy(bucket, name, there[name], aside / name), there))
        os.replace(aside, target)

    return copy_of(f"{bucket.address}/ {sorted(there.items())}", bucket.address.rpartition("/")[2], copy)


def fetch_place(address: str) -> list[Path]:
    """Returns a copy of the object at an address, or of the folder, or those of a pattern's matches; raises as
    `fetch_objects`."""
    if _PATTERN & set(address.rpartition("/")[2]):
        return list(fetch_objects(address, ()))
    if found := _object(address):
        return [_fetched(*found)]
    return [fetch_folder(address)]


def names_in(address: str) -> list[str]:
    """Returns the names of the objects in a folder of a bucket, and of its folders; raises OSError."""
    return sorted({name.partition("/")[0] for name in Bucket(address).versions()})


def _found(address: str, suffixes: Sequence[str]) -> tuple[Bucket, dict[str, Version]]:
    """The folder that an address leads to, and what it stands for in it."""
    if one := _object(address):
        bucket, name, version = one
        return bucket, {name: version}
    bucket = Bucket(address)
    ends = tuple(suffixes) or ("",)
    there = bucket.versions()
    if found := {one: there[one] for one in there if "/" not in one and one and one.lower().endswith(ends)}:
        return bucket, found
    parts = address.split("/")
    first = next((place for place, part in enumerate(parts) if place > 2 and _PATTERN & set(part)), 0)
    if first:
        bucket, pattern = Bucket("/".join(parts[:first])), parts[first:]
        there = bucket.versions()
        if found := {one: there[one] for one in there if _matches(one.split("/"), pattern)}:
            return bucket, found
    names = " or ".join(suffix for suffix in suffixes if suffix)
    raise UserError(
        f"{redacted(address)}: there is no such object, nothing below it{f' with {names}' if names else ''}, "
        "and no match of a pattern"
    )


def _object(address: str) -> tuple[Bucket, str, Version] | None:
    """The very object at an address, its folder ahead; None where there is none."""
    place, _, name = address.rpartition("/")
    if not name or place.endswith(":/"):
        return None
    bucket = Bucket(place)
    try:
        return bucket, name, bucket.version(name)
    except FileNotFoundError:
        return None


def _matches(names: Sequence[str], pattern: Sequence[str]) -> bool:
    return len(names) == len(pattern) and all(map(fnmatch.fnmatchcase, names, pattern))


def _fetched(bucket: Bucket, name: str, version: Version) -> Path:
    what = f"{bucket.address}/{name} {version.size} {version.tag}"
    return copy_of(what, name.rpartition("/")[2], lambda target: _copy(bucket, name, version, target))


def _copy(bucket: Bucket, name: str, version: Version, target: Path) -> None:
    with writing_whole(target) as file:
        bucket.download(name, Path(file.name), version)
