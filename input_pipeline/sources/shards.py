"""What formats of many files share: looking at all of them at once, and finding a record's file."""

from __future__ import annotations

import logging
import os
import resource
import stat
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from input_pipeline.errors import UserError
from input_pipeline.records import BadRecord, Reason
from input_pipeline.sources.digest import digest

# How many files each format keeps open in a process: a quarter of what the system allows.
OPEN_FILES = max(16, min(2048, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4))
THREADS = 16  # on a network file system, opening is waiting


class FileVersion(NamedTuple):
    """A file as it was when its source was opened: what open files and indexes are remembered under."""

    path: str
    size: int
    modified: int  # nanoseconds

    @classmethod
    def of(cls, path: Path) -> FileVersion:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):  # a pipe or a device would block or never end
            raise UserError(f"{path} is no regular file")
        return cls(str(path.absolute()), status.st_size, status.st_mtime_ns)

    def check(self, status: os.stat_result | None = None) -> None:
        """Refuses the file where it is not what it was: other data would be read, or none.

        Args:
          status: of the file as it is now; it is asked for where None.

        Raises:
          OSError: it has changed, or it has gone.
        """
        status = status or os.stat(self.path)
        if (status.st_size, status.st_mtime_ns) != (self.size, self.modified):
            raise OSError(f"{self.path} has changed since it was opened: start again")


Found = list[tuple[FileVersion, int | str]]  # of each file the number of its records, or why it is refused


def examine(files: Sequence[Path], count: Callable[[FileVersion], int]) -> Found:
    """Counts the records of each file, in threads.

    Among several files a damaged one is no reason to stop: its source delivers one BadRecord in its place, so
    that it is counted.

    Raises:
      ValueError: every file is refused: `count` raises a ValueError that says why.
    """

    def attempt(file: Path) -> tuple[FileVersion, int | Exception]:
        try:
            version = FileVersion.of(file)
            return version, count(version)
        except (ValueError, OSError) as error:
            return FileVersion(str(file.absolute()), 0, 0), error

    with ThreadPoolExecutor(min(THREADS, len(files))) as pool:
        found = list(pool.map(attempt, files))
    refused = [result for _, result in found if isinstance(result, Exception)]
    if len(refused) == len(found):
        raise refused[0] if isinstance(refused[0], UserError) else UserError(str(refused[0]))
    if refused:
        logging.getLogger(__name__).warning(
            "%d of %d files cannot be read and count as one bad record each; the first: %s",
            *(len(refused), len(found), refused[0]),
        )
    return [(file, str(result) if isinstance(result, Exception) else result) for file, result in found]


class Shards:
    """Records counted through a sequence of files. A file that could not be examined counts as one."""

    def __init__(self, found: Found) -> None:
        self._files = [file for file, _ in found]
        self._refused = {number: why for number, (_, why) in enumerate(found) if isinstance(why, str)}
        self._ends = list(accumulate(1 if isinstance(count, str) else count for _, count in found))

    def __len__(self) -> int:
        return self._ends[-1]

    def digest(self) -> str:
        """Returns a few letters for what the files hold, as `digest` does."""
        return digest((file.size for file in self._files), [file.path for file in self._files])

    def spans(self) -> Iterator[tuple[int, FileVersion]]:
        """Yields (the number of its first record, file) of each file."""
        return zip([0, *self._ends], self._files, strict=False)

    def locate(self, index: int) -> tuple[FileVersion, int]:
        """Returns the file of record `index`, and the record's place in it.

        Raises:
          IndexError: there is no such record.
          BadRecord: it stands for a file that cannot be read.
        """
        if not 0 <= index < self._ends[-1]:
            raise IndexError(f"record {index} of {len(self)}")
        number = bisect_right(self._ends, index)
        if number in self._refused:
            raise BadRecord(Reason.UNREADABLE, self._refused[number])
        return self._files[number], index - (self._ends[number - 1] if number else 0)
