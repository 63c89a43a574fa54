"""A SLURM of nodes with four cards each for tests: munged, slurmctld and slurmds with all their files in one folder."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import stat
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "srun")
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmUser=root
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
GresTypes=gpu
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE
"""
NODE = "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=8 Gres=gpu:4 State=UNKNOWN\n"
# What stands for a card is a device that swallows what it is given. SLURM hands out their numbers in
# CUDA_VISIBLE_DEVICES, which is all that is asked here; a plain file is no device, and gets no number.
CARDS = "Name=gpu File={folder}/card[0-3] Flags=nvidia_gpu_env\n"


def missing() -> str:
    """Why it cannot be started here; '' if it can."""
    absent = [name for name in PROGRAMS if not shutil.which(name, path=search_path())]
    if absent:
        return f"{', '.join(absent)} not found: apt-get install slurm-wlm munge"
    return "" if os.geteuid() == 0 else "starting SLURM takes root"


def search_path() -> str:
    """Debian keeps daemons where users do not look."""
    return f"{os.environ['PATH']}:/usr/sbin:/sbin"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextlib.contextmanager
def slurm(folder: Path, nodes: Sequence[str]) -> Iterator[dict[str, str]]:
    """Runs the daemons meanwhile; gives the environment in which srun finds them.

    Args:
      folder: new, and with a short path: a socket's may have 107 characters.
      nodes: their names.
    """
    environment = {**os.environ, "PATH": search_path(), "SLURM_CONF": str(folder / "slurm.conf")}
    for name in ("state", *(f"spool.{node}" for node in nodes)):
        (folder / name).mkdir()
    (folder / "munge.key").write_bytes(os.urandom(128))
    shutil.chown(folder, "munge")
    shutil.chown(folder / "munge.key", "munge")
    (folder / "munge.key").chmod(0o400)
    host = socket.gethostname()
    text = "".join(NODE.format(name=node, host=host, port=free_port()) for node in nodes)
    text += CONFIGURATION.format(host=host, folder=folder, controller=free_port())
    (folder / "slurm.conf").write_text(text)
    (folder / "gres.conf").write_text(CARDS.format(folder=folder))
    for number in range(4):
        os.mknod(folder / f"card{number}", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    files = [
        f"--socket={folder}/munge.socket",
        f"--key-file={folder}/munge.key",
        f"--log-file={folder}/munge.log",
    ]
    files += [f"--pid-file={folder}/munge.pid", f"--seed-file={folder}/munge.seed"]
    munged = [
        "setpriv",
        "--reuid=munge",
        "--regid=munge",
        "--clear-groups",
        "munged",
        "--foreground",
        "--force",
        *files,
    ]
    with contextlib.ExitStack() as stack:
        for command in (munged, ["slurmctld", "-D"], *(["slurmd", "-D", "-N", node] for node in nodes)):
            stack.enter_context(_daemon(command, environment))
            time.sleep(1)
        _wait_until_idle(environment)
        yield environment


@contextlib.contextmanager
def _daemon(command: list[str], environment: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_idle(environment: dict[str, str]) -> None:
    deadline = time.monotonic() + 60
    state = ""
    while time.monotonic() < deadline:
        done = subprocess.run(
            ["sinfo", "--noheader", "--format=%T"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        state = done.stdout.strip() + done.stderr.strip()
        if done.stdout.strip() == "idle":
            return
        time.sleep(0.5)
    raise RuntimeError(f"the nodes did not become idle: {state}")
