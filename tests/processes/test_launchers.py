"""The same run under every launcher there is here, over meshes whose axes cross the processes."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
import slurm_cluster
from small_runs import SMALL

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
RUN = (*SMALL, "--config.steps=3")


def losses(workdir):
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if "loss" in line]


def finish(command, environment, devices):
    environment = {**environment, "JAX_NUM_CPU_DEVICES": str(devices), "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("alone")
    finish([sys.executable, "main.py", *RUN, f"--workdir={workdir}"], os.environ, 1)
    return losses(workdir)


@contextlib.contextmanager
def started(*nodes):
    if reason := slurm_cluster.missing():
        pytest.skip(f"no SLURM to start: {reason}")
    folder = Path(tempfile.mkdtemp(prefix="vlp", dir="/tmp"))  # sockets take short paths
    try:
        with slurm_cluster.slurm(folder, nodes) as environment:
            yield environment
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def cluster():
    with started(socket.gethostname()) as environment:  # a name that processes find each other by
        yield environment


def local(count, request):
    return [sys.executable, "launch/local", f"--processes={count}", "--"], os.environ


def openmpi(count, request):
    if not shutil.which("mpirun"):
        pytest.skip("no mpirun: apt-get install openmpi-bin")
    loopback = "--mca oob_tcp_if_include lo --mca btl_tcp_if_include lo"
    flags = {
        "PROCESSES": str(count),
        "MPIRUN_FLAGS": f"--allow-run-as-root --oversubscribe {loopback}",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    return ["launch/mpi.sh"], {**os.environ, **flags}


def slurm(count, request):
    environment = request.getfixturevalue("cluster")
    return [
        "srun",
        f"--ntasks={count}",
        "--overcommit",
        "--kill-on-bad-exit=1",
        sys.executable,
        "main.py",
    ], environment


TOLD = """
import json, os, sys
from pathlib import Path
from vlp.processes.launcher import launcher, own_devices
name = launcher({"coordinator": ""})
shown = os.environ.get("CUDA_VISIBLE_DEVICES", "0,1,2,3").split(",")  # without it all cards of the node
own = own_devices(name) or [int(os.environ["SLURM_LOCALID"])]  # what jax takes where nothing is said
workdir = Path(sys.argv[1].removeprefix("--workdir="))
said = [name, [shown[place] for place in own]]
(workdir / f"{os.environ['SLURM_PROCID']}.json").write_text(json.dumps(said))
"""


@contextlib.contextmanager
def two_cards_taken(cluster):
    """Another job holds the first two."""
    command = ["srun", "--gpus=2", "--ntasks=1", "sh", "-c", "echo $CUDA_VISIBLE_DEVICES; exec sleep 600"]
    process = subprocess.Popen(command, env=cluster, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "0,1\n"
        yield
    finally:
        process.terminate()
        process.communicate(timeout=60)


def test_the_batch_script_starts_in_a_fresh_clone_and_every_task_takes_a_card_of_the_job(cluster, tmp_path):
    """`main.py` stands for the run: what is asked is what it is told, with tasks bound to their cards or not."""
    (tmp_path / "launch").symlink_to(ROOT / "launch")
    (tmp_path / "main.py").write_text(TOLD)
    paths = {"PATH": f"{Path(sys.executable).parent}:{cluster['PATH']}", "PYTHONPATH": str(ROOT)}
    taken = {}
    with two_cards_taken(cluster):
        for name, binding in (("all", []), ("bound", ["--gpus-per-task=1"])):
            options = ["--wait", "--ntasks-per-node=2", "--cpus-per-task=1", "--gpus-per-node=2", *binding]
            done = subprocess.run(
                ["sbatch", *options, "launch/slurm.sbatch", f"--workdir={tmp_path / name}"],
                cwd=tmp_path,
                env={**cluster, **paths},
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            logs = "".join(path.read_text() for path in tmp_path.rglob("*.log"))
            assert done.returncode == 0, done.stderr + logs
            taken[name] = [json.loads(path.read_text()) for path in sorted((tmp_path / name).glob("?.json"))]
            assert len(list((tmp_path / name / "logs").glob("slurm-*-?.log"))) == 2
    assert taken == {name: [["slurm", ["2"]], ["slurm", ["3"]]] for name in ("all", "bound")}


LOST = """
import os, sys, time
from pathlib import Path
tasks, workdir = os.environ["SLURM_STEP_NUM_TASKS"], Path(sys.argv[1].removeprefix("--workdir="))
(workdir / f"{os.environ['SLURM_PROCID']} of {tasks}").touch()
time.sleep(600 if tasks == "4" else 0)
"""


def test_a_job_that_loses_a_node_goes_on_with_the_processes_of_the_others(tmp_path):
    """`main.py` stands for the run, which itself goes on with other numbers of processes."""
    (tmp_path / "launch").symlink_to(ROOT / "launch")
    (tmp_path / "main.py").write_text(LOST)
    there = tmp_path / "run"
    options = ["--wait", "--nodes=2", "--ntasks-per-node=2", "--cpus-per-task=1", "--gpus-per-node=2"]
    with started("one", "two") as cluster:
        paths = {**cluster, "PATH": f"{Path(sys.executable).parent}:{cluster['PATH']}"}
        job = subprocess.Popen(
            ["sbatch", *options, "launch/slurm.sbatch", f"--workdir={there}"], cwd=tmp_path, env=paths
        )
        deadline = time.monotonic() + 100
        while len(list(there.glob("? of 4"))) < 4:
            assert time.monotonic() < deadline and job.poll() is None
            time.sleep(0.2)
        lost = ["scontrol", "update", "nodename=two", "state=down", "reason=lost"]
        subprocess.run(lost, env=paths, timeout=60, check=True)
        assert job.wait(100) == 0
    assert len(list(there.glob("? of 2"))) == 2
    (line,) = (there / "restarts.jsonl").read_text().splitlines()
    assert json.loads(line)["given_up"] is False


@pytest.mark.parametrize(
    ("launch", "count", "mesh"),
    [(local, 4, (2, 1, 2)), (openmpi, 2, (1, 2, 2)), (slurm, 2, (2, 1, 2))],
    ids=["local-4", "openmpi-2", "slurm-2"],
)
def test_a_run_is_the_same_under_every_launcher(alone, launch, count, mesh, tmp_path, request):
    command, environment = launch(count, request)
    axes = [
        f"--config.mesh.{name}={size}" for name, size in zip(("data", "fsdp", "model"), mesh, strict=True)
    ]
    finish([*command, *RUN, *axes, f"--workdir={tmp_path}"], environment, 4 // count)
    assert losses(tmp_path) == pytest.approx(alone, rel=1e-4)
    assert len(list((tmp_path / "logs").iterdir())) == count
    assert all(
        json.loads(path.read_text())["processes"] == count for path in (tmp_path / "processes").iterdir()
    )
