"""Processes killed while they save: what was whole stays whole, what is half never looks whole."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from checkpoint_states import abstract
from saving_process import state

from vlp.checkpoint import Checkpointer, find_checkpoint

pytestmark = pytest.mark.slow
SCRIPT = Path(__file__).with_name("saving_process.py")


def start(directory: Path, place: str = "") -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(SCRIPT.parents[2]), "JAX_NUM_CPU_DEVICES": "1"}
    command = [sys.executable, str(SCRIPT), str(directory), place]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def assert_newest_is_whole(directory: Path, at_least: int, caplog: pytest.LogCaptureFixture) -> int:
    """Opens the folder as the next process would, and compares every bit. Returns the step."""
    checkpointer = Checkpointer(directory)
    folder = checkpointer.newest()
    assert folder is not None
    assert "damaged" not in caplog.text
    step = int(folder.name)
    assert step >= at_least
    model, training, words = checkpointer.restore(folder, *abstract(state(step), 1))
    checkpointer.close()
    expected = state(step)
    np.testing.assert_array_equal(model["params"]["w"], expected[0]["params"]["w"])
    assert int(training["step"]) == words.progress["step"] == step
    for path in directory.iterdir():
        assert find_checkpoint(directory, int(path.name)) == path
    return step


@pytest.mark.parametrize(
    ("place", "newest"),
    [
        ("before write_manifest", 2),
        ("before publish", 2),
        ("after publish", 3),
        ("before remove", 4),  # which saves remove their predecessors: the third to do so is the fourth
        ("half removed", 2),
    ],
)
def test_killed_between_two_stages(
    tmp_path: Path, place: str, newest: int, caplog: pytest.LogCaptureFixture
) -> None:
    with start(tmp_path, place) as process:
        process.wait(timeout=300)
    assert process.returncode == -9
    assert assert_newest_is_whole(tmp_path, newest, caplog) == newest


def test_killed_at_any_time(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    dice, newest = random.Random(0), 0
    for _ in range(3):
        with start(tmp_path) as process:
            assert process.stdout is not None
            # Two saves, each with a line before and after it, and then at any moment of the next few.
            lines = [process.stdout.readline() for _ in range(4)]
            time.sleep(dice.uniform(0.0, 0.5))
            process.kill()
            lines += process.stdout.readlines()
        saved = [int(line.split()[1]) for line in lines if line.startswith("saved")]
        assert lines[0] == f"start {newest + 1}\n"
        newest = assert_newest_is_whole(tmp_path, max(saved), caplog)
