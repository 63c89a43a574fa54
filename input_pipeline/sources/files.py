"""Files kept open for reading at any place, by any number of threads."""

from __future__ import annotations

import functools
import os

from input_pipeline.records import BadRecord, Reason
from input_pipeline.sources.shards import OPEN_FILES, FileVersion


class OpenFile:
    """Reads at an offset without a position, so that threads share it; closed when nobody holds it any more."""

    def __init__(self, file: FileVersion) -> None:
        self._descriptor, self._version = os.open(file.path, os.O_RDONLY), file

    def read(self, offset: int, length: int) -> bytes:
        """Reads at most `length` bytes; fewer only at the end of the file.

        Raises:
          BadRecord: the system cannot read there, or the file is not what it was when its source was opened.
        """
        parts = []
        try:
            self._version.check(os.fstat(self._descriptor))  # written over: other bytes at these places
            while length > 0 and (
                part := os.pread(self._descriptor, length, offset)
            ):  # at most 2 GiB at a time
                parts.append(part)
                offset, length = offset + len(part), length - len(part)
        except OSError as error:
            raise BadRecord(Reason.UNREADABLE, f"byte {offset} of {self._version.path}: {error}") from None
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def __del__(self) -> None:
        if hasattr(self, "_descriptor"):
            os.close(self._descriptor)


def open_file(file: FileVersion) -> OpenFile:
    """Returns the file, if it is still the version that its source was opened with.

    Raises:
      BadRecord: it has gone or changed.
    """
    try:
        return _open(file)
    except OSError as error:
        raise BadRecord(Reason.UNREADABLE, str(error)) from None


@functools.lru_cache(OPEN_FILES)
def _open(file: FileVersion) -> OpenFile:
    file.check(os.stat(file.path))
    return OpenFile(file)
