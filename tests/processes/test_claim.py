"""One run at a time in a workdir, whoever died in it before."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from vlp.processes import claim
from vlp.processes.claim import LOCK, claimed
from vlp.processes.heartbeat import FOLDER, Sign, write

ROOT = Path(__file__).resolve().parents[2]
HOLD = (
    "import sys, time; from pathlib import Path; from vlp.processes.claim import claimed\n"
    "with claimed(Path(sys.argv[1]), 0): print('held', flush=True); time.sleep(300)"
)


def hold(workdir: Path) -> subprocess.Popen[str]:
    """Another process that has the workdir."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(workdir)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_the_second_is_refused_until_the_first_is_gone_however_it_went(tmp_path: Path) -> None:
    with hold(tmp_path) as first:
        with (
            pytest.raises(
                ValueError, match=rf"another run is in .* \(pid {first.pid} on .*another --workdir"
            ),
            claimed(tmp_path, 0),
        ):
            pass
        first.send_signal(signal.SIGKILL)
    with claimed(tmp_path, 0):
        assert json.loads((tmp_path / LOCK).read_text())["pid"] == os.getpid()
    with claimed(tmp_path, 0):
        pass


def test_what_is_left_of_the_processes_before_is_removed(tmp_path: Path) -> None:
    say(tmp_path, Sign(0, 4, socket.gethostname(), 1, 3, 5), Sign(3, 4, "far", 9, 3, 5, "finished"))
    with claimed(tmp_path, 0):
        assert not list((tmp_path / FOLDER).iterdir())


def say(workdir: Path, *processes: Sign) -> None:
    (workdir / FOLDER).mkdir(exist_ok=True)
    for sign in processes:
        write(workdir / FOLDER / f"{sign.process}.json", sign)


def test_a_first_process_of_another_host_that_beats_has_the_workdir_and_a_silent_one_has_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claim, "SECONDS", 0.1)
    far, ended = Sign(0, 1, "far", 9, 3, 5), threading.Event()
    say(tmp_path, far)

    def beat() -> None:
        for beats in range(6, 1000):
            say(tmp_path, far._replace(beats=beats))
            if ended.wait(0.02):
                return

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        with pytest.raises(ValueError, match=r"another run is in .* \(pid 9 on far\)"), claimed(tmp_path, 0):
            pass
    finally:
        ended.set()
        thread.join()
    with claimed(tmp_path, 0):
        pass


def test_without_locks_signs_of_life_and_the_last_to_write_decide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: Any) -> None:
        raise OSError(errno.ENOTSUP, "no locks here")

    monkeypatch.setattr(fcntl, "flock", none)
    monkeypatch.setattr(claim, "SECONDS", 0.1)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as alive:
        say(tmp_path, Sign(0, 1, socket.gethostname(), alive.pid, 3, 5))
        with pytest.raises(ValueError, match=f"pid {alive.pid} on "), claimed(tmp_path, 0):
            pass
        alive.kill()
    with claimed(tmp_path, 0):
        pass

    def another(_: float) -> None:
        (tmp_path / LOCK).write_text('{"pid": 7, "host": "far"}')

    monkeypatch.setattr(time, "sleep", another)
    with pytest.raises(ValueError, match="pid 7 on far"), claimed(tmp_path, 0):
        pass


@pytest.mark.parametrize("place", ["file/below", "file", "/proc/vlp"])
def test_a_workdir_that_cannot_be_one_is_said_in_a_sentence(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(ValueError, match=r"the workdir .* cannot be written \(.*\): give another --workdir"),
        claimed(tmp_path / place, 0),
    ):
        pass
