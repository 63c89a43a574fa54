"""One line for what a disk refuses: it is full, read-only, or keeps a folder from this user."""

from __future__ import annotations

import contextlib
import errno
import re
from collections.abc import Iterator

from input_pipeline.buckets import BucketError
from input_pipeline.whole_files import NotWritten
from vlp.configuration import ConfigError

REFUSALS = {
    errno.ENOSPC: "make room, or write elsewhere",
    errno.EDQUOT: "make room, or write elsewhere",
    errno.EFBIG: "raise the limit of a file's size (ulimit -f), or write elsewhere",
    errno.EROFS: "write elsewhere",
    errno.EACCES: "ask for the right to, or take another place",
    errno.EPERM: "ask for the right to, or take another place",
    errno.ENOTDIR: "a file is where a folder would have to be: take another place",
}
# Libraries of their own languages (TensorStore, ArrayRecord) pass on the system's words.
_WORDS = {
    errno.ENOSPC: re.compile(r"No space left on device|ENOSPC", re.I),
    errno.EDQUOT: re.compile(r"Disk quota exceeded|EDQUOT", re.I),
    errno.EFBIG: re.compile(r"File too large|EFBIG"),
    errno.EROFS: re.compile(r"Read-only file system|EROFS", re.I),
}
LONGEST = 400


@contextlib.contextmanager
def in_one_line() -> Iterator[None]:
    """Turns what a disk refuses during a job into a ConfigError, whatever library met it.

    Raises:
      ConfigError: names the file where the error does, the reason, and what to do.
    """
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        if isinstance(error, RuntimeError | BucketError) and (said := _of_bucket(error)):
            raise ConfigError(said) from error
        number = None if isinstance(error, ConfigError) else _refusal(error)
        if number is None:
            raise
        raise ConfigError(f"{_sentence(error)}: {REFUSALS.get(number, 'take another place')}") from error


def _refusal(error: BaseException) -> int | None:
    """The number of the system's refusal that an error or one of its causes is about."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and (cause.errno in REFUSALS or isinstance(cause, NotWritten)):
            return cause.errno or 0
        for number, words in _WORDS.items():
            if not isinstance(cause, OSError) and words.search(str(cause)):
                return number
        cause = cause.__cause__
    return None


def _of_bucket(error: BaseException) -> str:
    """What a bucket refuses for want of a right; '' where it only did not answer, and may do so again."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, BucketError) and cause.for_good:
            return _sentence(error)
        cause = cause.__cause__
    return ""


def _sentence(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    text = " ".join(str(error).split())
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
