"""How a process of several ends, and what is said then: each end in a process of its own, all at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WATCHED = """
import os, socket, sys
from pathlib import Path
from vlp.configuration import ConfigError
from vlp.processes import sentinel
from vlp.processes.heartbeat import FOLDER, Sign, state_of, write
from vlp.processes.home import Home

class JaxRuntimeError(Exception): pass

def say(process, pid):
    sign = Sign(process, 2, socket.gethostname(), pid, 4, 1, born=state_of(pid).born)
    (workdir / FOLDER).mkdir(parents=True, exist_ok=True)
    write(workdir / FOLDER / f"{process}.json", sign)

sentinel.GRACE, sentinel.SETTLING, workdir = 0.0, 0.05, Path(sys.argv[1])
with sentinel.watched({"coordinator": sys.argv[2], "heartbeat_seconds": 0}, Home(workdir)):
    exec(sys.argv[3])
"""
NOT_BEGUN = "a process that had not begun to train has ended: it was ended from outside"
GONE = "say(0, os.getpid()); say(1, 4194305); raise JaxRuntimeError('INTERNAL: Gloo failed')"
ENDS = {
    "well": ("a:1", "pass", 0, [], ["Traceback", "ended"]),
    "mistake": (
        "a:1",
        "raise ConfigError('no such flag')",
        2,
        ["error: no such flag"],
        ["Traceback", "ended"],
    ),
    "error": ("a:1", "raise OSError('disk full')", 1, ["Traceback", "OSError: disk full", NOT_BEGUN], []),
    "killed": ("a:1", "os.kill(os.getpid(), 9)", -9, [NOT_BEGUN], ["Traceback"]),
    "followed": (
        "a:1",
        GONE,
        1,
        ["process 0 of 2 has ended: process 1", "was lost at step 4"],
        ["Traceback"],
    ),
    "own": ("a:1", GONE.replace("4194305", "os.getppid()"), 1, ["Traceback", "Gloo failed"], ["was lost"]),
    "alone": ("", "raise ConfigError('no such flag')", 1, ["Traceback", "no such flag"], ["has ended"]),
}


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
    """The exit code and the last words of each."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "OMPI"))
    }
    running = {
        name: subprocess.Popen(
            [sys.executable, "-c", WATCHED, str(tmp_path_factory.mktemp(name)), coordinator, body],
            cwd=ROOT,
            env={**environment, "JAX_PLATFORMS": "cpu"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for name, (coordinator, body, *_) in ENDS.items()
    }
    words = {name: process.communicate(timeout=120)[1] for name, process in running.items()}
    return {name: (process.returncode, words[name]) for name, process in running.items()}


@pytest.mark.parametrize("name", ENDS)
def test_an_end_has_its_code_and_its_words(ended: dict[str, tuple[int, str]], name: str) -> None:
    code, words = ended[name]
    *_, expected, said, unsaid = ENDS[name]
    assert code == expected, words
    assert all(one in words for one in said) and not any(one in words for one in unsaid), words
