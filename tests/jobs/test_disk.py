"""What a disk refuses is one line, whichever library met it; what is no disk's fault keeps its traceback."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from input_pipeline.whole_files import NotWritten, write_whole
from vlp.configuration import ConfigError
from vlp.jobs._disk import in_one_line


def chained(cause: Exception) -> Exception:
    error = RuntimeError(f"a checkpoint could not be written: {cause}")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "a/b"), "a/b: No space left on device: make room"),
        (
            OSError(errno.EROFS, "c cannot be written: Read-only"),
            "c cannot be written: Read-only: write elsewhere",
        ),
        (
            PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/root/x"),
            "/root/x: Permission denied: ask",
        ),
        (
            RuntimeError("RESOURCE_EXHAUSTED: write [OS error 28: ENOSPC No space left on device]"),
            "make room",
        ),
        (
            chained(OSError(errno.EDQUOT, os.strerror(errno.EDQUOT), "/data")),
            "could not be written.*: make room",
        ),
    ],
)
def test_refusals_of_a_disk_are_one_line(error: Exception, words: str) -> None:
    with pytest.raises(ConfigError, match=words), in_one_line():
        raise error


@pytest.mark.parametrize(
    "error",
    [FileNotFoundError(errno.ENOENT, "gone", "a"), RuntimeError("other"), ValueError("bug"), KeyError("a")],
)
def test_other_errors_stay(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, in_one_line():
        raise error
    assert raised.value is error


def test_what_could_not_be_written_is_one_line_whatever_the_system_said(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for name, words in {"folder": "Is a directory", "n" * 300: "File name too long"}.items():
        with pytest.raises(ConfigError, match=f"{words}: take another place"), in_one_line():
            write_whole(tmp_path / name, b"")
    with pytest.raises(ConfigError, match="no number: take"), in_one_line():
        raise NotWritten(None, "no number")
