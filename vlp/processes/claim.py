"""One run at a time in a workdir: a lock that goes with its owner, and signs of life where locks do not reach."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from input_pipeline.errors import UserError
from vlp.processes.agreement import raise_together
from vlp.processes.heartbeat import FOLDER, SECONDS, Sign, signs
from vlp.processes.lost import runs_here

LOCK = "run.lock"


@contextlib.contextmanager
def claimed(workdir: Path, process: int) -> Iterator[None]:
    """Makes a workdir and keeps it for the run inside. All processes call it, the first one holds it for them.

    The system gives the lock back when its owner ends, however it does. Where it reaches one host alone, or the file
    system has none, a first process that still gives signs of life holds the workdir as well.

    Raises:
      ValueError: another run has it, or it cannot be written.
    """
    descriptor, error = -1, None
    if process == 0:
        try:
            descriptor = _take(workdir)
        except ValueError as caught:
            error = caught
        except OSError as caught:
            why = caught.strerror or str(caught)
            error = UserError(f"the workdir {workdir} cannot be written ({why}): give another --workdir")
    try:
        raise_together(error)
        yield
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _take(workdir: Path) -> int:
    """Locks the workdir; returns what has to be closed to give it back. What is left of dead processes is removed."""
    workdir.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(workdir / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        locked = _lock(workdir, descriptor)
        first = next((one for one in signs(workdir) if one.process == 0), None)
        if first is not None and _lives(workdir, first, locked):
            raise UserError(_held_by(workdir, first.pid, first.host))
        owner = json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode()
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, owner, 0)
        if not locked:  # of two that start at the same moment, one has written last
            time.sleep(SECONDS)
            if os.pread(descriptor, 4096, 0) != owner:
                raise UserError(_held_by(workdir, **_owner(descriptor)))
        for path in (workdir / FOLDER).glob("*.json"):
            path.unlink(missing_ok=True)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _lock(workdir: Path, descriptor: int) -> bool:
    """Whether the file system has locks; this one is taken then."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UserError(_held_by(workdir, **_owner(descriptor))) from None
    except OSError:
        return False
    return True


def _lives(workdir: Path, first: Sign, locked: bool) -> bool:
    """Whether the first process of an earlier launch still runs: this host knows its own, of others a beat tells."""
    if first.ended:
        return False
    if first.host == socket.gethostname():
        return not locked and first.pid != os.getpid() and runs_here(first)
    deadline = time.monotonic() + 3 * SECONDS
    while time.monotonic() < deadline:
        time.sleep(SECONDS / 4)
        if any(one.process == 0 and one != first and not one.ended for one in signs(workdir)):
            return True
    return False


def _owner(descriptor: int) -> dict[str, str]:
    """The pid and host that the lock's file names; another host may not see them yet."""
    try:
        found = json.loads(os.pread(descriptor, 4096, 0))
        return {"pid": str(found["pid"]), "host": str(found["host"])}
    except (ValueError, TypeError, KeyError, RecursionError):
        return {"pid": "?", "host": "a host"}


def _held_by(workdir: Path, pid: int | str, host: str) -> str:
    return (
        f"another run is in the workdir {workdir} (pid {pid} on {host}): wait until it has ended, stop it, or use "
        "another --workdir"
    )
