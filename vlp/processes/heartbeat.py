"""A sign of life of every process, in a file of the workdir that all of them see."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

from input_pipeline.whole_files import write_whole

FOLDER, SECONDS = "processes", 2.0


class Sign(NamedTuple):
    """What a process last said of itself.

    Attributes:
      process: its index.
      processes: how many there are.
      host: where it runs.
      pid: its number there.
      step: updates it has made.
      beats: grows as long as it lives; clocks of hosts differ and jump, so nobody reads them.
      ended: why it ended; '' while it runs.
    """

    process: int
    processes: int
    host: str
    pid: int
    step: int
    beats: int
    ended: str = ""


class Heartbeat:
    """Writes this process's sign every two seconds from a thread of its own, until it is left."""

    every, at_end = 1, True

    def __init__(self, workdir: Path, process: int, processes: int) -> None:
        """Begins with `with`; as a hook it learns of the steps."""
        self._path = workdir / FOLDER / f"{process}.json"
        self._sign = Sign(process, processes, socket.gethostname(), os.getpid(), 0, 0)
        self._step, self._done = 0, threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __call__(self, info: Any) -> None:
        """A step was made."""
        self._step = info.step

    def __enter__(self) -> Heartbeat:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write(self._path, self._sign)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        self._done.set()
        self._thread.join()
        ended = "finished" if error is None else f"{type(error).__name__}: {error}"
        with contextlib.suppress(
            OSError
        ):  # what ended the run matters more: the disk may be full, the workdir gone
            write(self._path, self._sign._replace(step=self._step, ended=ended))

    def _beat(self) -> None:
        while not self._done.wait(SECONDS):
            self._sign = self._sign._replace(step=self._step, beats=self._sign.beats + 1)
            try:
                write(self._path, self._sign)
            except OSError:  # a full disk is the checkpoint's to report
                continue


def write(path: Path, sign: Sign) -> None:
    """Replaces the file in one go."""
    write_whole(path, (json.dumps(sign._asdict()) + "\n").encode())


def signs(workdir: Path) -> list[Sign]:
    """The last sign of every process of the newest run, by index."""
    found = []
    for path in (workdir / FOLDER).glob("*.json"):
        try:
            found.append(Sign(**json.loads(path.read_text())))
        except (ValueError, TypeError, OSError):
            continue  # being replaced
    return sorted(found)


def lost(workdir: Path, pid: int, patience: float) -> list[Sign]:
    """The processes of a run that are gone without having finished, as seen from one of its hosts.

    Args:
      workdir: of the run.
      pid: of the process that asks, on this host, which is not counted.
      patience: seconds in which a living process of another host gives a sign.
    """
    host = socket.gethostname()
    others = [one for one in signs(workdir) if (one.host, one.pid) != (host, pid)]
    # Of this host only who is gone already: the rest may go because of the one that asks.
    if gone := [one for one in others if _is_gone(one)]:
        return gone
    silent = {one.process: one for one in others if one.host != host and not one.ended}
    deadline = time.monotonic() + patience
    while silent and time.monotonic() < deadline:
        time.sleep(SECONDS / 4)
        silent = {one.process: one for one in signs(workdir) if silent.get(one.process) == one}
    return list(silent.values())


def _is_gone(sign: Sign) -> bool:
    """Whether it ended with an error, or runs no longer on this host."""
    if sign.ended or sign.host != socket.gethostname():
        return sign.ended not in ("", "finished")
    try:
        state = Path(f"/proc/{sign.pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return Path("/proc/self").exists()
    return state in "ZX"  # dead, and not yet taken leave of by what started it
