"""Processes that do not find each other."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("process", [0, 1])
def test_a_process_without_the_others_waits_as_long_as_it_was_told(tmp_path: Path, process: int) -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    place = {"coordinator": f"127.0.0.1:{port}", "processes": 2, "process": process, "start_seconds": 3}
    flags = [f"--config.distributed.{name}={value}" for name, value in place.items()]
    done = subprocess.run(
        [
            sys.executable,
            "main.py",
            "--config=configs/quickstart.py:runlocal",
            f"--workdir={tmp_path}/run",
            *flags,
        ],
        cwd=ROOT,
        env={**os.environ, "JAX_NUM_CPU_DEVICES": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode != 0
    assert "had not begun to train" in done.stderr and "is every process started" in done.stderr
    assert not (tmp_path / "run").exists()
