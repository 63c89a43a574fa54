"""Files are whole or what they were before, and the error names them."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from input_pipeline.whole_files import save_array, write_whole, writing_whole


def test_a_file_is_written_into_a_new_folder_and_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    write_whole(path, "café".encode())
    assert path.read_bytes() == "café".encode()
    write_whole(path, b"\0other")
    assert path.read_bytes() == b"\0other"
    assert [file.name for file in path.parent.iterdir()] == ["a.txt"]


def test_what_goes_wrong_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.txt"
    write_whole(path, b"old")
    with pytest.raises(KeyError), writing_whole(path) as file:
        file.write(b"half")
        raise KeyError

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match=r"a\.txt cannot be written: No space left"):
            write_whole(path, b"new")
    assert path.read_bytes() == b"old" and [file.name for file in tmp_path.iterdir()] == ["a.txt"]


def test_the_bytes_reach_the_disk_before_the_name_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda descriptor: (order.append("sync"), fsync(descriptor))[1])
    monkeypatch.setattr(os, "replace", lambda *names: (order.append("rename"), replace(*names))[1])
    write_whole(tmp_path / "a.txt", b"x")
    assert order == ["sync", "rename", "sync"]


def test_a_folder_that_takes_no_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"^/.*b\.txt cannot be written: "):
        write_whole(tmp_path / "file" / "b.txt", b"x")


def test_an_array_is_as_numpy_saves_it_and_says_why_a_disk_refuses_it(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(50, 30))[:, ::2]
    with writing_whole(tmp_path / "a.npy") as file:
        save_array(file, rows)
    np.save(tmp_path / "b.npy", rows)
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()
    with pytest.raises(OSError, match="No space left") as raised, open("/dev/full", "wb") as full:
        save_array(full, rows)
    assert raised.value.errno == errno.ENOSPC
