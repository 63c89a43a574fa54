"""Runs of several real processes on this machine: killed, stopped, and gone on with by others."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_runs import SMALL

from benchmarks.models import saved

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
RUN = (*SMALL, "--config.steps=24", "--config.checkpoint.every=4", "--config.distributed.heartbeat_seconds=8")


def environment(devices):
    return {**os.environ, "JAX_NUM_CPU_DEVICES": str(devices), "JAX_PLATFORMS": "cpu"}


def alone(workdir, *more, devices=2):
    """The run in one process."""
    command = [sys.executable, "main.py", *RUN, f"--workdir={workdir}", *more]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(devices), capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    return losses(workdir)


def losses(workdir):
    """By step."""
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    return {line["step"]: line["loss"] for line in lines if "loss" in line}


class Processes:
    """The run in two processes of one device each, by launch/local."""

    def __init__(self, workdir, *more):
        self.workdir = workdir
        command = [sys.executable, "launch/local", "--processes=2", "--", *RUN, f"--workdir={workdir}", *more]
        self.launcher = subprocess.Popen(
            command, cwd=ROOT, env=environment(1), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def at(self, step, saved=0):
        """Waits until the step is logged, and the checkpoint of `saved` whole; returns the number of each process."""
        started, metrics = time.monotonic(), self.workdir / "metrics.jsonl"
        whole = self.workdir / "checkpoints" / str(saved)
        while not (
            (metrics.exists() and f'"step": {step},' in metrics.read_text()) and (whole.exists() or not saved)
        ):
            assert self.launcher.poll() is None and time.monotonic() < started + 300, self.end()[1]
            time.sleep(0.05)
        signs = [json.loads(path.read_text()) for path in sorted((self.workdir / "processes").glob("*.json"))]
        return [sign["pid"] for sign in signs]

    def end(self):
        """The exit status, all output, and how long it took to end."""
        started = time.monotonic()
        output, _ = self.launcher.communicate(timeout=300)
        return self.launcher.returncode, output, time.monotonic() - started


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    return alone(tmp_path_factory.mktemp("alone") / "run")


@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_process_ends_the_run_and_another_number_of_processes_goes_on(
    uninterrupted, tmp_path, victim
):
    run = Processes(tmp_path)
    os.kill(run.at(6, saved=4)[victim], signal.SIGKILL)
    status, output, seconds = run.end()
    assert status and seconds < 30
    assert f"process {1 - victim} of 2 has ended: process {victim} (pid " in output
    # The one that was killed blames nobody, and the other says no more than its line.
    assert f"process {victim} of 2 has ended: it was ended from outside" in output
    assert output.count("was lost") == 1 and "Traceback" not in output
    assert "the run goes on from step 4" in output or "the run goes on from step 8" in output
    assert alone(tmp_path, "--config.mesh.data=1", "--config.mesh.fsdp=2") == pytest.approx(
        uninterrupted, rel=1e-4
    )
    assert sorted(path.name for path in (tmp_path / "logs").glob("*.log")) == ["0.log", "1.log"]


def test_one_stopped_process_has_all_of_them_save_the_same_step(uninterrupted, tmp_path):
    run = Processes(tmp_path)
    os.kill(run.at(6)[1], signal.SIGTERM)
    status, output, _ = run.end()
    assert status == 0 and output.count("stopped by SIGTERM") == 2
    stopped = max(int(path.name) for path in (tmp_path / "checkpoints").iterdir())
    assert stopped == max(losses(tmp_path)) < 24
    run = Processes(tmp_path)
    assert run.end()[0] == 0
    assert losses(tmp_path) == pytest.approx(uninterrupted, rel=1e-4)


def test_a_process_that_can_write_no_more_ends_the_run_and_leaves_the_checkpoint_before(
    uninterrupted, tmp_path
):
    run = Processes(tmp_path, "--config.mesh.data=1", "--config.mesh.fsdp=2")  # each has a share of the state
    # Its share of a checkpoint is larger, its log and its sign of life are not.
    resource.prlimit(run.at(6, saved=4)[1], resource.RLIMIT_FSIZE, (2**16, 2**16))
    status, output, _ = run.end()
    assert status == 2
    line = f"error: a checkpoint in {tmp_path / 'checkpoints'} could not be written: process 1: "
    assert line in output and output.count("could not be written") == 2 and "File too large" in output
    assert {path.name for path in (tmp_path / "checkpoints").iterdir()} <= {
        "4",
        "8",
        "12",
    }  # and no part of one
    assert alone(tmp_path) == pytest.approx(uninterrupted, rel=1e-4)


def test_all_processes_go_back_from_the_same_spikes(tmp_path):
    rollback = {"factor": 1.02, "window": 2, "most": 99}
    flags = [f"--config.rollback.{name}={value}" for name, value in rollback.items()]
    flags += ["--config.checkpoint.every=1", "--config.steps=8", "--config.batch_size=16"]
    flags += ["--config.optimizer.schedule.warmup_steps=1"]
    status, output, _ = Processes(tmp_path / "two", *flags, "--config.distributed.slices=2").end()
    assert status == 0, output
    assert losses(tmp_path / "two") == pytest.approx(alone(tmp_path / "one", *flags), rel=1e-3)
    undone = [(tmp_path / "two" / "logs" / f"{one}.log").read_text().count("is a spike") for one in (0, 1)]
    assert undone[0] == undone[1] > 0


def test_a_frozen_model_teaches_all_processes(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests" / "jobs"), prepend=os.pathsep)
    flags = [
        "--config.steps=3",
        "--config.objectives.imitation={'kind': 'guided:Imitation', 'weight': 1.0}",
        f"--config.frozen.teacher={{'checkpoint': '{saved(tmp_path / 'teacher', lambda config: None)}'}}",
        "--config.evaluators={}",
    ]
    status, output, _ = Processes(tmp_path / "two", *flags).end()
    assert status == 0, output
    assert losses(tmp_path / "two") == pytest.approx(alone(tmp_path / "one", *flags), rel=1e-4)


def test_a_mistake_is_one_line_of_every_process(tmp_path):
    status, output, seconds = Processes(tmp_path, "--config.batch_size=31").end()
    assert status == 2 and seconds < 60
    assert output.count("error: batch_size=31 is not a multiple of 2") == 2 and "Traceback" not in output
