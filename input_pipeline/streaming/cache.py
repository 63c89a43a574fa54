"""Shards on this host's disk: never more than a limit, shared by its processes, the ones used longest ago go first.

Every shard has a lock beside it. Whoever reads it holds the lock together with others, who fetches or removes it holds
it alone; so nothing is removed under a reader, and one process fetches for all. Who needs room removes, one at a time.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from input_pipeline.buckets import STRETCH, Bucket
from input_pipeline.errors import UserError
from input_pipeline.sources.cache import cache_folder
from input_pipeline.streaming.index import Shard
from input_pipeline.whole_files import ASIDE

_PATIENCE = 120.0  # seconds in which room has to be found
_LOCK = ".lock"
_AT_ONCE = 4


class ShardCache:
    """A folder of shards. Picklable: processes share what is on the disk."""

    def __init__(self, limit: int, folder: Path | None = None) -> None:
        """Touches nothing yet.

        Args:
          limit: bytes that all shards there may take.
          folder: None is $VLP_DATA_CACHE or the user's cache folder.
        """
        root = Path(os.environ.get("VLP_DATA_CACHE") or cache_folder("data"))
        self._limit, self._folder = limit, folder or root / "shards"

    @contextlib.contextmanager
    def holding(self, bucket: Bucket, shard: Shard) -> Iterator[Path]:
        """Yields the file of a shard, fetched where it is not there, which stays as long as it is held.

        Raises:
          ValueError: the cache is too small, or somebody has replaced the object.
          BucketError: the bucket refuses, or does not answer.
        """
        name = hashlib.sha256(f"{bucket.address}/{shard.name}/{shard.tag}".encode()).hexdigest()[:24]
        path = self._folder / name / shard.name
        self._folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._folder / f"{name}{_LOCK}", os.O_RDWR | os.O_CREAT, 0o666)
        try:
            while True:
                fcntl.flock(descriptor, fcntl.LOCK_SH)
                if _is_whole(path, shard):
                    break
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if not _is_whole(path, shard):
                    self._fetch(bucket, shard, path)
            with contextlib.suppress(OSError):
                os.utime(path.parent)  # says when it was used
            yield path
        finally:
            os.close(descriptor)

    def _fetch(self, bucket: Bucket, shard: Shard, path: Path) -> None:
        aside = path.with_name(path.name + ASIDE)
        path.parent.mkdir(exist_ok=True)  # nobody removes it while the lock is held
        self._make_room(shard, aside)
        try:
            with aside.open("r+b") as file, ThreadPoolExecutor(_AT_ONCE) as pool:
                stretch = min(STRETCH, max(1 << 20, shard.size // _AT_ONCE))

                def copy(start: int) -> None:
                    end = min(start + stretch, shard.size)
                    os.pwrite(file.fileno(), bucket.read_range(shard.name, start, end, shard.tag), start)

                list(pool.map(copy, range(0, shard.size, stretch)))
            aside.rename(path)
        except (FileExistsError, FileNotFoundError) as error:
            raise UserError(
                f"{bucket.address}/{shard.name} has changed since its shards were counted: start again, with the data "
                "as they were or in another workdir"
            ) from error
        finally:
            aside.unlink(missing_ok=True)

    def _make_room(self, shard: Shard, aside: Path) -> None:
        """Sets bytes aside for a shard, as a file of its size, and removes others where that is too many."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            with _alone(self._folder / _LOCK):
                used = self._used()
                total = sum(size for _, size, _ in used)
                for path, size, _ in sorted(used, key=lambda one: one[2]):
                    if total + shard.size <= self._limit:
                        break
                    total -= size if self._removed(path) else 0
                if total + shard.size <= self._limit:
                    with aside.open("wb") as file:
                        file.truncate(shard.size)
                    return
            if shard.size > self._limit or time.monotonic() > deadline:
                raise UserError(
                    f"data.cache_gb={self._limit / 1e9:g} has no room for {shard.name} of {shard.size / 1e9:g} GB "
                    "beside the shards in use: give it more, or make data.window or data.lanes smaller"
                )
            time.sleep(0.05)

    def _used(self) -> list[tuple[Path, int, float]]:
        """The files that are there, fetched or being fetched: size, and when last used."""
        return [one for folder in self._folder.iterdir() if folder.is_dir() for one in _files(folder)]

    def _removed(self, path: Path) -> bool:
        """Removes a shard that nobody holds: whoever has its file open reads no more of it, and it takes no room."""
        descriptor = os.open(self._folder / f"{path.parent.name}{_LOCK}", os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.truncate(path, 0)
            path.unlink()
            with contextlib.suppress(OSError):
                path.parent.rmdir()
        except OSError:
            return False
        finally:
            os.close(descriptor)
        return True


def _files(folder: Path) -> list[tuple[Path, int, float]]:
    """What a shard's folder holds: looked at again where a file got its last name meanwhile, for all must count."""
    while True:
        try:
            used = folder.stat().st_mtime
            return [(file, file.stat().st_size, used) for file in folder.iterdir()]
        except OSError:
            if not folder.exists():
                return []


def _is_whole(path: Path, shard: Shard) -> bool:
    try:
        return path.stat().st_size == shard.size
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
