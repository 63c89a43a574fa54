"""Files kept open for reading at any place, by any number of threads."""

from __future__ import annotations

import functools
import os

from input_pipeline.records import BadRecord, Reason
from input_pipeline.sources.shards import OPEN_FILES, FileVersion


class OpenFile:
    """Reads at an offset without a position, so that threads share it; closed when nobody holds it any more."""

    def __init__(self, file: FileVersion) -> None:
        self._descriptor = os.open(file.path, os.O_RDONLY)

    def read(self, offset: int, length: int) -> bytes:
        """At most `length` bytes; fewer only at the end of the file.

        Raises:
          BadRecord: the system cannot read there.
        """
        parts = []
        try:
            while length > 0 and (
                part := os.pread(self._descriptor, length, offset)
            ):  # at most 2 GiB at a time
                parts.append(part)
                offset, length = offset + len(part), length - len(part)
        except OSError as error:
            raise BadRecord(Reason.UNREADABLE, f"byte {offset}: {error}") from None
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def __del__(self) -> None:
        if hasattr(self, "_descriptor"):
            os.close(self._descriptor)


def open_file(file: FileVersion) -> OpenFile:
    """The file, if it is still the version that its source was opened with.

    Raises:
      BadRecord: it has gone or changed.
    """
    try:
        return _open(file)
    except OSError as error:
        raise BadRecord(Reason.UNREADABLE, str(error)) from None


@functools.lru_cache(OPEN_FILES)
def _open(file: FileVersion) -> OpenFile:
    status = os.stat(file.path)
    if (status.st_size, status.st_mtime_ns) != (file.size, file.modified):
        raise OSError(f"{file.path} has changed since it was opened: start again")
    return OpenFile(file)
