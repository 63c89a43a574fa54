"""The checkpoints of a run in a bucket: files below CHECKPOINTS/STEP, and the manifest, which is written last.

A step without a manifest is no checkpoint: its objects are what a cut off save or removal has left. Readers copy a step
into a folder, where its digests are checked as those of any other.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from input_pipeline.addresses import redacted
from input_pipeline.buckets import HASTE, Bucket, BucketError, joined
from input_pipeline.errors import UserError
from input_pipeline.whole_files import write_whole
from vlp.checkpoint.folders import DAMAGED, SAVING
from vlp.checkpoint.manifest import find_damage, read_manifest
from vlp.checkpoint.names import DESCRIPTION, MANIFEST, step_of

CHECKPOINTS = "checkpoints"
_AT_ONCE = 8


class StoredCheckpoints:
    """The steps below one address."""

    def __init__(self, address: str) -> None:
        """Asks nobody yet.

        Args:
          address: of the folder whose parts are steps.
        """
        self._bucket = Bucket(address)
        self.address = self._bucket.address

    def hasten(self) -> None:
        """Has whatever is under way give up soon where the bucket does not answer: this process ends."""
        self._bucket.patience = HASTE

    def steps(self) -> list[int]:
        """Returns the steps that are whole, oldest first; damage is not looked for."""
        names = self._bucket.versions()
        found = (
            step_of(name.removesuffix(f"/{MANIFEST}")) for name in names if name.endswith(f"/{MANIFEST}")
        )
        return sorted(step for step in found if step is not None)

    def put(self, step: int, folder: Path, names: Iterable[str]) -> None:
        """Writes files of a folder, which do not make a checkpoint yet."""
        _at_once(lambda name: self._bucket.write(f"{step}/{name}", folder / name), names)

    def commit(self, step: int, folder: Path) -> None:
        """Makes a checkpoint of what was put: by its manifest."""
        self._bucket.write(f"{step}/{MANIFEST}", folder / MANIFEST)

    def fetch(self, step: int, folder: Path) -> None:
        """Has a folder hold all files of a step, of which it may have some; it gets its name when it is whole.

        Raises:
          ValueError: the step's manifest is none.
          FileNotFoundError: a file is missing, or there is no such step.
        """
        content = self._bucket.read(f"{step}/{MANIFEST}")
        try:
            sizes = {name: size for name, (size, _) in read_manifest(content).items()}
        except (ValueError, TypeError, AttributeError) as error:
            raise UserError(f"{joined(self.address, str(step), MANIFEST)} is no manifest: {error}") from error
        there = folder / MANIFEST
        if there.is_file() and there.read_bytes() == content and not _lacking(folder, sizes):
            return
        aside = folder.with_name(folder.name + SAVING)
        shutil.rmtree(aside, ignore_errors=True)
        if folder.exists():
            folder.rename(aside)
        _at_once(lambda name: self._copy(f"{step}/{name}", aside / name), _lacking(aside, sizes))
        write_whole(aside / MANIFEST, content)
        aside.rename(folder)

    def set_aside(self, step: int) -> str:
        """Takes a damaged step's manifest away, so that nothing takes it for a checkpoint; returns its new name."""
        name = f"{step}{DAMAGED}/{MANIFEST}"
        with contextlib.suppress(FileNotFoundError):
            self._bucket.write(name, self._bucket.read(f"{step}/{MANIFEST}"))
        self._removed([f"{step}/{MANIFEST}"])
        return name

    def damaged(self) -> list[str]:
        """Returns the names of those that were set aside."""
        return sorted({name.partition("/")[0] for name in self._bucket.versions() if f"{DAMAGED}/" in name})

    def remove(self, step: int) -> None:
        """Removes a step that is no longer kept, first what makes it one. A bucket that forbids it keeps it."""
        first = f"{step}/{MANIFEST}"
        self._removed([first, *(name for name in self._bucket.versions(str(step)) if name != first)])

    def remove_unfinished(self) -> None:
        """Removes what saves and removals that were cut off have left; what was set aside keeps its bytes."""
        whole = {str(step) for step in self.steps()} | {name.partition(DAMAGED)[0] for name in self.damaged()}
        names = [name for name in self._bucket.versions() if step_of(name.partition("/")[0]) is not None]
        self._removed(name for name in names if name.partition("/")[0] not in whole)

    def _removed(self, names: Iterable[str]) -> None:
        try:
            self._bucket.remove(names)
        except BucketError as error:
            logging.warning("what is not needed any more stays in the bucket: %s", error)

    def _copy(self, name: str, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        self._bucket.download(name, target)


def _at_once(act: Callable[[str], object], names: Iterable[str]) -> None:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(act, names))


def _lacking(folder: Path, sizes: dict[str, int]) -> list[str]:
    """The files that are not there as long as they should be."""
    return [
        name
        for name, size in sizes.items()
        if not (folder / name).is_file() or (folder / name).stat().st_size != size
    ]


def fetched(address: str, cache: Path, step: int | None = None) -> Path:
    """Returns a folder with one checkpoint of a bucket, copied where it is not there already.

    Args:
      address: of a workdir, its `checkpoints`, or one step.
      cache: where copies are kept.
      step: which one of several; None takes the newest intact one.

    Raises:
      ValueError: there is none, or the one asked for is damaged.
    """
    shown = redacted(address)
    try:
        place, found = _steps_at(address)
        if step is not None:
            if step not in found:
                raise UserError(f"{shown} has no checkpoint of step {step}; it has {found or 'none'}")
            found = [step]
        for candidate in reversed(found):
            damage, folder = _copied(place, candidate, cache)
            if not damage:
                return folder
            logging.warning("checkpoint %s/%d is passed over: %s", place.address, candidate, damage)
    except BucketError as error:
        raise UserError(str(error)) from error
    raise UserError(f"{shown} holds no intact checkpoint" + (f" of step {step}" if step is not None else ""))


def _steps_at(address: str) -> tuple[StoredCheckpoints, list[int]]:
    """The folder of steps that an address stands for, and the steps in question."""
    parent, _, name = address.rstrip("/").rpartition("/")
    below = Bucket(address).versions()
    if DESCRIPTION in below:
        if (own := step_of(name)) is None:
            raise UserError(f"the checkpoint at {redacted(address)} has to have the name of its step")
        return StoredCheckpoints(parent), [own]
    if any(one.startswith(f"{CHECKPOINTS}/") for one in below):
        address = joined(address, CHECKPOINTS)
    place = StoredCheckpoints(address)
    return place, place.steps()


def _copied(place: StoredCheckpoints, step: int, cache: Path) -> tuple[str, Path]:
    """What is wrong with a step, '' if nothing is, and the folder of its copy."""
    folder = cache / hashlib.sha256(place.address.encode()).hexdigest()[:24] / str(step)
    with _alone(folder.parent):
        for _ in range(2):  # the copy that was there may be what is damaged
            try:
                place.fetch(step, folder)
            except (UserError, FileNotFoundError) as error:
                return str(error), folder
            if not (damage := find_damage(folder)):
                return "", folder
            shutil.rmtree(folder)
    return damage, folder


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keeps other processes of this host from filling the same folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise UserError(
            f"copies of checkpoints go to {folder}, which cannot be written ({error.strerror}): set XDG_CACHE_HOME to "
            "a folder that can"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
