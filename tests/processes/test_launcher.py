"""Who started the process, and what is said when it ends, by themselves."""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from input_pipeline.buckets import Bucket
from vlp.processes.heartbeat import FOLDER, Sign, state_of, write
from vlp.processes.home import Home
from vlp.processes.launcher import launcher, own_devices
from vlp.processes.lost import LOOKING, OUTSIDE, lost, own_sign, settle
from vlp.processes.sentinel import last_words

ALONE = {"coordinator": "", "processes": 0, "process": 0}
SUPERVISE = Path(__file__).resolve().parents[2] / "launch" / "supervise"
STEP = {"SLURM_JOB_ID": "7", "SLURM_STEP_NODELIST": "a", "SLURM_PROCID": "1", "SLURM_LOCALID": "0"}


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({"SLURM_NTASKS": "4", **STEP}, "slurm"),
        ({"SLURM_NTASKS": "1", **STEP}, ""),
        ({"SLURM_NTASKS": "4", "SLURM_JOB_ID": "7"}, ""),  # a batch script without srun
        (
            {"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_LOCAL_RANK": "0"},
            "openmpi",
        ),
        ({"JOB_COMPLETIONS": "2", "JOB_COMPLETION_INDEX": "0", "KUBERNETES_SERVICE_HOST": "a"}, "kubernetes"),
        ({"JOB_COMPLETIONS": "2", "JOB_COMPLETION_INDEX": "0"}, ""),
        ({"SLURM_NTASKS": "", **STEP}, ""),
        ({}, ""),
    ],
)
def test_launchers_are_known_by_their_environment(environment, name):
    assert launcher(ALONE, {"JAX_PLATFORMS": "cpu", **environment}) == name


@pytest.mark.parametrize(
    ("platforms", "device", "name"),
    [("", "accel0", "tpu"), ("tpu,cpu", "vfio/3", "tpu"), ("cpu", "accel0", ""), ("", "vfio/vfio", "")],
)
def test_chips_that_may_be_used_are_a_launcher(tmp_path, monkeypatch, platforms, device, name):
    (tmp_path / device).parent.mkdir(exist_ok=True)
    (tmp_path / device).touch()
    monkeypatch.setattr("vlp.processes.launcher.Path", lambda place: {"/dev": tmp_path}[place])
    assert launcher(ALONE, {"JAX_PLATFORMS": platforms}) == name


def test_flags_come_before_what_is_found():
    assert launcher({**ALONE, "coordinator": "a:1"}, {"SLURM_NTASKS": "4", **STEP}) == "flags"


@pytest.mark.parametrize(
    ("name", "environment", "own"),
    [
        ("slurm", {"CUDA_VISIBLE_DEVICES": "0", "SLURM_GPUS_ON_NODE": "8"}, [0]),  # --gpus-per-task=1
        ("slurm", {"CUDA_VISIBLE_DEVICES": "0"}, [0]),
        ("slurm", {"CUDA_VISIBLE_DEVICES": "0,1", "SLURM_GPUS_ON_NODE": "8"}, [0, 1]),  # --gpus-per-task=2
        ("slurm", {"CUDA_VISIBLE_DEVICES": "0,1,2,3", "SLURM_GPUS_ON_NODE": "4"}, None),  # unbound
        (
            "slurm",
            {
                "CUDA_VISIBLE_DEVICES": "0,1",
                "SLURM_GPUS_ON_NODE": "2",
                "SLURM_STEP_TASKS_PER_NODE": "1(x4)",
            },
            [0, 1],
        ),
        ("slurm", {}, None),
        ("openmpi", {"CUDA_VISIBLE_DEVICES": "3", "OMPI_COMM_WORLD_LOCAL_SIZE": "4"}, [0]),
        ("openmpi", {"CUDA_VISIBLE_DEVICES": "0,1", "OMPI_COMM_WORLD_LOCAL_SIZE": "2"}, None),
        ("openmpi", {"HIP_VISIBLE_DEVICES": "2,3", "OMPI_COMM_WORLD_LOCAL_SIZE": "1"}, [0, 1]),
        ("slurm", {"ROCR_VISIBLE_DEVICES": "5, "}, [0]),
        ("slurm", {"CUDA_VISIBLE_DEVICES": " "}, None),
        ("slurm", {"CUDA_VISIBLE_DEVICES": "0,1", "SLURM_STEP_TASKS_PER_NODE": "1(x2),2"}, None),
        ("slurm", {"CUDA_VISIBLE_DEVICES": "0,1", "SLURM_STEP_TASKS_PER_NODE": "1"}, [0, 1]),
        ("flags", {"CUDA_VISIBLE_DEVICES": "0"}, None),
    ],
)
def test_a_process_takes_the_gpus_that_are_its_own(name, environment, own):
    assert own_devices(name, environment) == own


def test_the_slurm_script_needs_no_folder_that_a_fresh_clone_lacks(tmp_path):
    """With an srun that only says what it was given; SLURM itself opens the log before anything runs."""
    script = (SUPERVISE.parent / "slurm.sbatch").read_text()
    (log,) = (
        line.partition("--output=")[2] for line in script.splitlines() if line.startswith("#SBATCH --output=")
    )
    assert Path(log).parent == Path(".")
    (tmp_path / "srun").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (tmp_path / "squeue").write_text("#!/bin/sh\necho 3\n")
    for name in ("srun", "squeue"):
        (tmp_path / name).chmod(0o755)
    workdir = tmp_path / "my runs" / "one"
    done = subprocess.run(
        ["bash", "launch/slurm.sbatch", "--config=configs/clip.py", f"--workdir={workdir}"],
        cwd=SUPERVISE.parents[1],
        env={
            **os.environ,
            "PATH": f"{tmp_path}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "SLURM_JOB_ID": "1",
            "SLURM_NTASKS_PER_NODE": "8",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    said = done.stdout.splitlines()
    assert said[:2] == ["--nodes=3", "--ntasks=24"]  # of as many nodes as the job has
    assert said[-4:] == ["python", "main.py", "--config=configs/clip.py", f"--workdir={workdir}"]
    assert (workdir / "logs").is_dir()


def say(workdir, *processes):
    (workdir / FOLDER).mkdir(exist_ok=True)
    for sign in processes:
        write(workdir / FOLDER / f"{sign.process}.json", sign)


def test_last_words_name_who_is_gone_and_where_the_run_goes_on(tmp_path):
    here, me = socket.gethostname(), Sign(0, 3, socket.gethostname(), 1, 12, 5)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    say(tmp_path, me, Sign(1, 3, here, dead.pid, 11, 5), Sign(2, 3, here, os.getpid(), 11, 5))
    for name in ("10", "9", "11.writing", "٣"):
        (tmp_path / "checkpoints" / name).mkdir(parents=True)
    words = last_words(Home(tmp_path), 1, patience=0)
    assert words.startswith(
        f"process 0 of 3 has ended: process 1 (pid {dead.pid} on {here}) was lost at step 11"
    )
    assert "process 2" not in words and words.endswith("the run goes on from step 10")


def test_last_words_give_the_reason_that_a_process_of_another_host_left(tmp_path):
    say(tmp_path, Sign(0, 2, socket.gethostname(), 1, 3, 5), Sign(1, 2, "far", 9, 3, 5, "OSError: disk full"))
    words = last_words(Home(tmp_path), 1, patience=0)
    assert "process 1 (pid 9 on far) was lost at step 3: OSError: disk full" in words
    assert "from the start" in words


def test_a_silent_process_of_another_host_is_lost_and_one_that_finished_is_not(tmp_path):
    far = Sign(1, 3, "far", 9, 3, 5)
    say(tmp_path, Sign(0, 3, socket.gethostname(), 1, 3, 5), far, far._replace(process=2, ended="finished"))
    words = last_words(Home(tmp_path), 1, patience=0.1)
    assert "process 1 (pid 9 on far)" in words and "process 2" not in words


def test_a_silent_process_that_looks_for_who_was_lost_is_not_to_blame(tmp_path):
    me = Sign(0, 3, socket.gethostname(), 1, 3, 5, ended=LOOKING)
    say(tmp_path, me, *(Sign(one, 3, "far", 9, 3, 5, ended=LOOKING) for one in (1, 2)))
    assert lost(tmp_path, me, patience=0) == [] and own_sign(tmp_path, 1).ended == OUTSIDE


def test_whoever_ended_by_itself_asks_nobody(tmp_path):
    me = Sign(0, 2, socket.gethostname(), 1, 3, 5, ended="OSError: disk full")
    say(tmp_path, me, Sign(1, 2, "far", 9, 3, 5, ended="OSError: mine"))
    assert lost(tmp_path, me, patience=0) == []


def test_processes_of_an_earlier_launch_are_not_named(tmp_path):
    here = socket.gethostname()
    say(tmp_path, *(Sign(one, 4, here, 4_000_000 + one, 10, 5, "OSError: old") for one in range(4)))
    say(tmp_path, Sign(0, 2, here, os.getpid(), 12, 1), Sign(1, 2, here, os.getppid(), 12, 1))
    assert "was lost" not in last_words(Home(tmp_path), os.getpid(), patience=0)
    old = Sign(2, 3, here, 4_000_000, 10, 5, launch=7)
    say(tmp_path, Sign(0, 3, here, os.getpid(), 12, 1, launch=8), old, old._replace(process=1))
    assert "was lost" not in last_words(Home(tmp_path), os.getpid(), patience=0)


def test_a_process_that_has_not_begun_names_nobody(tmp_path):
    here = socket.gethostname()
    say(tmp_path, Sign(0, 2, here, os.getpid(), 9, 5, born="1"), Sign(1, 2, here, 4_000_000, 9, 5))
    words = last_words(Home(tmp_path), os.getpid(), patience=0)  # the same number, and another process
    assert words.startswith("a process that had not begun to train has ended: it was ended from outside")


def test_a_number_that_another_process_has_by_now_is_of_a_dead_one(tmp_path):
    here = socket.gethostname()
    say(tmp_path, Sign(0, 2, here, 1, 9, 5), Sign(1, 2, here, os.getpid(), 9, 5, born="1"))
    assert f"process 1 (pid {os.getpid()} on" in last_words(Home(tmp_path), 1, patience=0)


def test_a_stopped_process_of_this_host_is_named(tmp_path):
    here = socket.gethostname()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        other.send_signal(signal.SIGSTOP)
        deadline = time.monotonic() + 30
        while state_of(other.pid).letter != "T" and time.monotonic() < deadline:
            time.sleep(0.01)
        say(tmp_path, Sign(0, 2, here, 1, 9, 5), Sign(1, 2, here, other.pid, 9, 5))
        settle(tmp_path, 1)  # what stands beside a process does at its end, and then it asks
        words = last_words(Home(tmp_path), 1, patience=0)
        other.kill()
    assert f"process 1 (pid {other.pid} on {here}) was lost at step 9: it is stopped" in words


PEER = "JaxRuntimeError: INTERNAL: Gloo AllReduce failed: Connection closed by peer"


def test_who_went_first_is_named_by_all_and_names_nobody(tmp_path):
    """Process 2 of 3 is killed; the others end because of it, and then look at each other."""
    here = socket.gethostname()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as victim:
        signs = [Sign(0, 3, here, os.getpid(), 9, 5), Sign(1, 3, here, os.getppid(), 9, 5)]
        say(tmp_path, *signs, Sign(2, 3, here, victim.pid, 9, 5))
        victim.kill()
    settle(tmp_path, victim.pid)
    say(tmp_path, signs[0]._replace(ended=PEER))
    for pid in (os.getpid(), os.getppid()):
        settle(tmp_path, pid)
    words = [last_words(Home(tmp_path), pid, patience=0) for pid in (os.getpid(), os.getppid(), victim.pid)]
    assert all(f": process 2 (pid {victim.pid} on {here}) was lost at step 9" in one for one in words[:2])
    assert all(one.count("was lost") == 1 for one in words[:2])
    assert words[2].startswith("process 2 of 3 has ended: it was ended from outside")


def test_on_several_hosts_the_first_waits_until_it_knows_that_the_others_live(tmp_path):
    me = Sign(0, 2, socket.gethostname(), os.getpid(), 9, 5)
    far = Sign(1, 2, "far", 9, 9, 5)
    say(tmp_path, me, far)
    settle(tmp_path, os.getpid())
    beat = threading.Timer(0.2, say, (tmp_path, far._replace(beats=6)))
    beat.start()
    words = last_words(Home(tmp_path), os.getpid(), patience=30)
    beat.join()
    assert words.startswith("process 0 of 2 has ended: it was ended from outside")
    assert own_sign(tmp_path, os.getpid()).ended == OUTSIDE  # for the other host to read


COMMAND = """
import pathlib, sys
tries = pathlib.Path(sys.argv[1]) / "tries"
count = len(tries.read_text()) if tries.exists() else 0
tries.write_text("x" * (count + 1))
if len(sys.argv) > 2 and count < int(sys.argv[2]):
    (tries.parent / "checkpoints" / str(count)).mkdir(parents=True)
    sys.exit(1)
sys.exit(int(sys.argv[3]))
"""


def test_the_supervisor_says_in_one_line_what_is_no_address():
    command = [sys.executable, str(SUPERVISE), "--workdir=gs://", "--", "true"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "supervise: gs:// names no bucket: say gs://BUCKET/PATH or s3://BUCKET/PATH"
    ]


@pytest.mark.parametrize(
    ("checkpoints", "end", "tries"),
    [(4, 0, 5), (0, 1, 3), (1, 2, 2), (2, 1, 4)],
    ids=[
        "progress is no failure",
        "given up",
        "a mistake is not tried again",
        "counted since the last checkpoint",
    ],
)
def test_the_supervisor_starts_again_while_there_is_progress(tmp_path, checkpoints, end, tries):
    command = [sys.executable, "-c", COMMAND, str(tmp_path), str(checkpoints), str(end)]
    supervise = [sys.executable, str(SUPERVISE), f"--workdir={tmp_path}", "--retries=2", "--wait=0", "--"]
    done = subprocess.run([*supervise, *command], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == end
    assert len((tmp_path / "tries").read_text()) == tries, done.stderr
    history = tmp_path / "restarts.jsonl"
    lines = [json.loads(line) for line in history.read_text().splitlines()] if history.exists() else []
    assert len(lines) == tries - (end in (0, 2))
    assert all(line["status"] == 1 for line in lines) and [line["given_up"] for line in lines[:-1]] == [
        False
    ] * (len(lines) - 1)


def test_the_supervisor_waits_twice_as_long_each_time_it_got_no_further(tmp_path):
    """What a fleet does that all starts again at once, or a machine that is not well yet, is to hammer at the same."""
    times = tmp_path / "times"
    program = f"import sys, time; open({str(times)!r}, 'a').write(f'{{time.monotonic()}}\\n'); sys.exit(1)"
    options = [f"--workdir={tmp_path}", "--retries=3", "--wait=0.4", "--"]
    command = [sys.executable, str(SUPERVISE), *options, sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and "4 times without a new checkpoint: given up" in done.stderr
    began = [float(line) for line in times.read_text().splitlines()]
    waits = [later - earlier for earlier, later in itertools.pairwise(began)]
    assert len(waits) == 3 and all(wait >= 0.4 * 2**place for place, wait in enumerate(waits))
    assert waits[2] > waits[0] + 0.6


def test_the_supervisor_of_a_run_in_a_bucket_counts_and_tells_there(google, tmp_path):
    """Its own machine may be another by then: the history is where the run is."""
    bucket = Bucket("gs://bucket/supervised")
    bucket.write("checkpoints/7/manifest.json", b"{}")
    bucket.write("checkpoints/9/model/part", b"")  # without a manifest it is none
    options = [f"--workdir={bucket.address}", "--retries=1", "--wait=0", "--"]
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, str(SUPERVISE), *options, "false"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 1 and "given up at step 7" in done.stderr
    lines = [json.loads(line) for line in bucket.read("restarts.jsonl").splitlines()]
    assert [(line["step"], line["try"], line["given_up"]) for line in lines] == [
        (7, 1, False),
        (7, 2, True),
    ] * 2


def test_of_the_supervisors_of_a_slice_one_keeps_the_history(tmp_path):
    """Each host has one, and all of them see the same restart."""
    (tmp_path / "launch").mkdir()
    (tmp_path / "launch" / "tpu_pod.sh").symlink_to(SUPERVISE.parent / "tpu_pod.sh")
    programs = {
        "launch/supervise": "exec printf '%s\\n' \"$@\"",
        "curl": "echo $NUMBER",
        "gcloud": 'for last; do :; done; for NUMBER in 0 1; do export NUMBER; sh -c "${last#--command=}"; done',
    }
    for name, text in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "TPU": "slice", "ZONE": "zone"}
    command = ["bash", "launch/tpu_pod.sh", "--config=configs/clip.py", "--workdir=gs://bucket/my run"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    run = ["--", "python", "main.py", *command[2:]]
    assert done.stdout.splitlines() == [command[-1], *run, command[-1], "--no-history", *run]
    supervise = [
        sys.executable,
        str(SUPERVISE),
        f"--workdir={tmp_path}",
        "--retries=0",
        "--no-history",
        "--",
        "false",
    ]
    assert subprocess.run(supervise, capture_output=True, timeout=60, check=False).returncode == 1
    assert not (tmp_path / "restarts.jsonl").exists()
