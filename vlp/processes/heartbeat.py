"""A sign of life of every process, in a file of the workdir that all of them see."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from input_pipeline.whole_files import write_whole

FOLDER, SECONDS = "processes", 2.0
Tell = Callable[["Sign"], Iterable["Sign"]]


class Sign(NamedTuple):
    """Holds what a process last said of itself.

    Attributes:
      process: its index.
      processes: how many there are.
      host: where it runs.
      pid: its number there.
      step: updates it has made.
      beats: grows as long as it lives; clocks of hosts differ and jump, so nobody reads them.
      ended: why it ended; '' while it runs.
      launch: a number that all processes started together have, and those before them have not.
      born: when it was started, as its host counts; a later process may have its pid. '' where that is not known.
    """

    process: int
    processes: int
    host: str
    pid: int
    step: int
    beats: int
    ended: str = ""
    launch: int = 0
    born: str = ""


class Heartbeat:
    """Writes this process's sign every two seconds from a thread of its own, until it is left."""

    every, at_end = 1, True

    def __init__(
        self, workdir: Path, process: int, processes: int, launch: int = 0, tell: Tell | None = None
    ) -> None:
        """Begins with `with`; as a hook it learns of the steps.

        Args:
          workdir: with the signs.
          process: its index.
          processes: how many there are.
          launch: a number of this launch.
          tell: called with each sign where the processes have no folder in common; what it returns are the others'
            signs, which are kept in the workdir of this one.
        """
        self._tell = tell
        self._path = workdir / FOLDER / f"{process}.json"
        pid = os.getpid()
        self._sign = Sign(
            process, processes, socket.gethostname(), pid, 0, 0, launch=launch, born=state_of(pid).born
        )
        self._step, self._done = 0, threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __call__(self, info: Any) -> None:
        """Notes that a step was made."""
        self._step = info.step

    def __enter__(self) -> Heartbeat:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._say()
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
                self._say()
            except OSError:  # a full disk is the checkpoint's to report
                continue

    def _say(self) -> None:
        write(self._path, self._sign)
        for sign in self._tell(self._sign) if self._tell else ():
            write(self._path.with_name(f"{sign.process}.json"), sign)


def write(path: Path, sign: Sign) -> None:
    """Replaces the file in one go."""
    write_whole(path, (json.dumps(sign._asdict()) + "\n").encode())


def signs(workdir: Path) -> list[Sign]:
    """Returns the last sign of every process that ever gave one in a workdir, by index."""
    found = []
    for path in (workdir / FOLDER).glob("*.json"):
        try:
            found.append(Sign(**json.loads(path.read_text(encoding="utf-8"))))
        except (ValueError, TypeError, OSError, RecursionError):
            continue  # being replaced, or of another version
    return sorted(found)


class State(NamedTuple):
    """Holds what a host knows of a process.

    Attributes:
      letter: as /proc has it (T is stopped, Z dead and not yet taken leave of); '' where there is none of this pid, '?'
        on a host without /proc.
      born: when it was started, as the host counts.
    """

    letter: str
    born: str


def state_of(pid: int) -> State:
    """Returns what this host knows of the process with a number."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return State("" if Path("/proc/self").exists() else "?", "")
    return State(fields[0], fields[19])
