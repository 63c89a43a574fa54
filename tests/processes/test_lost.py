"""Who was lost first: a process that ended for a reason of its own, not those that only say that another is gone."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from vlp.processes.heartbeat import FOLDER, Sign, signs, state_of, write
from vlp.processes.lost import FOLLOWED, LOOKING, OUTSIDE, STOPPED, lost, settle

FOLLOWING = "JaxRuntimeError: INTERNAL: Gloo connection closed by peer"


@pytest.fixture
def other() -> Iterator[subprocess.Popen[bytes]]:
    """A living process of this host."""
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def say(workdir: Path, process: int, pid: int, ended: str = "", host: str = "") -> Sign:
    own = Sign(process, 3, host or socket.gethostname(), pid, 7, 1, ended=ended, born=state_of(pid).born)
    (workdir / FOLDER).mkdir(exist_ok=True)
    write(workdir / FOLDER / f"{process}.json", own)
    return own


def test_who_ended_for_a_reason_of_its_own_was_lost(tmp_path: Path, other: subprocess.Popen[bytes]) -> None:
    own = say(tmp_path, 0, os.getpid(), LOOKING)
    say(tmp_path, 1, other.pid, FOLLOWING)
    say(tmp_path, 2, other.pid)
    assert not lost(tmp_path, own, 0.0), "one has followed, the other lives"
    assert signs(tmp_path)[0].ended == OUTSIDE
    other.send_signal(signal.SIGSTOP)
    while state_of(other.pid).letter != "T":
        pass
    own = say(tmp_path, 0, os.getpid(), LOOKING)
    assert [(one.process, one.ended) for one in lost(tmp_path, own, 0.0)] == [(2, STOPPED)]
    assert signs(tmp_path)[0].ended == FOLLOWED
    say(tmp_path, 1, other.pid, "OSError: disk full")
    assert [(one.process, one.ended) for one in lost(tmp_path, own, 0.0)] == [(1, "OSError: disk full")]
    say(tmp_path, 1, other.pid, "finished")
    say(tmp_path, 2, 4194305)  # more than any pid
    assert [(one.process, one.ended) for one in lost(tmp_path, own, 0.0)] == [(2, OUTSIDE)]
    assert not lost(tmp_path, own._replace(ended="OSError: disk full"), 0.0), "it is itself the first"


def test_a_process_says_at_its_end_whether_it_was_the_first(
    tmp_path: Path, other: subprocess.Popen[bytes]
) -> None:
    def settled(mine: str, theirs: str, host: str = "") -> str:
        say(tmp_path, 0, os.getpid(), mine)
        say(tmp_path, 1, other.pid, theirs, host)
        settle(tmp_path, os.getpid())
        return signs(tmp_path)[0].ended

    assert settled("OSError: disk full", "") == "OSError: disk full"
    assert settled("OSError: disk full", "OSError: another disk") == FOLLOWED
    assert settled("", "") == OUTSIDE and settled(FOLLOWING, FOLLOWING) == FOLLOWING
    assert settled(FOLLOWING, "", "another host") == LOOKING
