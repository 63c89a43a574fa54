"""What writes checkpoints leaves the cores to the step."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from checkpoint_states import description, parts

from vlp.checkpoint import manifest, replicas
from vlp.checkpoint.checkpointer import Checkpointer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority of their own")


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def save_for_good(folder: Path) -> None:
    checkpointer = Checkpointer(folder)
    checkpointer.save(1, *parts(1), description(1))
    checkpointer.close()


def keep_a_replica(folder: Path) -> None:
    kept = replicas.Replicas(folder, 1, {"data": 1})
    kept.save(1, *parts(1), description(1))
    kept.close(done=False)


@pytest.mark.parametrize("save", [save_for_good, keep_a_replica])
def test_what_writes_stands_behind_the_step(
    save: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, before = [], niceness()
    hashed = manifest.hashlib.file_digest
    monkeypatch.setattr(
        manifest.hashlib, "file_digest", lambda *given: writing.append(niceness()) or hashed(*given)
    )
    save(tmp_path)
    assert set(writing) == {min(19, before + 10)} and niceness() == before
