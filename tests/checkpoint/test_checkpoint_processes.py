"""Two real processes share one folder of checkpoints."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from checkpoint_states import abstract
from checkpointing_process import state

from vlp.checkpoint import Checkpointer, load_model_arrays

pytestmark = pytest.mark.slow
SCRIPT = Path(__file__).with_name("checkpointing_process.py")


def run_pair(directory: Path, job: str) -> None:
    """Runs both processes to their end, or kills them after five minutes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    environment = os.environ | {"PYTHONPATH": str(SCRIPT.parents[2]), "JAX_NUM_CPU_DEVICES": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), port, str(index), str(directory), job],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for index in range(2)
    ]
    try:
        outputs = [process.communicate(timeout=300)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert all(output.endswith("done\n") for output in outputs), "\n".join(outputs)


def test_two_processes_save_and_restore_and_one_goes_on(tmp_path: Path) -> None:
    run_pair(tmp_path, "save")
    checkpointer = Checkpointer(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "2.damaged", "3"]
    folder = checkpointer.newest()
    assert folder == tmp_path / "3"
    model, training, _ = checkpointer.restore(folder, *abstract(state(3, 8), 8))
    expected = 3.0 * np.arange(64).reshape(8, 8)
    np.testing.assert_array_equal(model["params"]["w"], expected)
    assert int(training["step"]) == 3
    np.testing.assert_array_equal(load_model_arrays(folder)["params"]["w"], expected)


def test_a_failure_in_one_process_is_raised_in_both(tmp_path: Path) -> None:
    run_pair(tmp_path, "fail")
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


def test_what_a_host_has_lost_of_its_replicas_comes_from_another(tmp_path: Path) -> None:
    run_pair(tmp_path, "lose")
