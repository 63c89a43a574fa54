"""Processes that do not find each other."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from vlp.processes import join as module
from vlp.processes.join import join

ROOT = Path(__file__).resolve().parents[2]


GIVEN = {"coordinator": "a:1", "processes": 3, "process": 2, "start_seconds": 30, "heartbeat_seconds": 70}
PLACE = {"coordinator_address": "a:1", "num_processes": 3, "process_id": 2}


@pytest.mark.parametrize(
    ("name", "place"), [("flags", PLACE), ("slurm", {"local_device_ids": [0]}), ("", None)]
)
def test_jax_is_told_what_the_flags_say_and_finds_the_rest_itself(monkeypatch, name, place) -> None:
    told: list[dict[str, object]] = []
    monkeypatch.setattr(module, "launcher", lambda settings: name)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")
    monkeypatch.setattr(jax.distributed, "is_initialized", lambda: bool(told))
    monkeypatch.setattr(jax.distributed, "initialize", lambda **given: told.append(given))
    for _ in range(2):  # the second time nothing is left to do
        join(GIVEN)
    seconds = {"initialization_timeout": 30, "heartbeat_timeout_seconds": 70, "local_device_ids": None}
    assert told == ([] if place is None else [{**seconds, **place}])


def test_others_that_are_not_found_are_said_in_a_line(monkeypatch) -> None:
    def never(**_: object) -> None:
        raise RuntimeError("deadline")

    monkeypatch.setattr(jax.distributed, "initialize", never)
    with pytest.raises(
        ValueError, match=r"\(flags\) did not find each other in 30 s .*: deadline\. Is every"
    ):
        join(GIVEN)


@pytest.mark.slow
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
