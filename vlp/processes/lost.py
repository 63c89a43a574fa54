"""Who of several processes was lost first: the others end because of it, and are not to blame."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import time
from pathlib import Path

from input_pipeline.buckets import HASTE, Bucket
from vlp.processes.heartbeat import FOLDER, SECONDS, Sign, signs, state_of, write

OUTSIDE = "it was ended from outside, or by what it printed above"
STOPPED = "it is stopped (SIGSTOP)"
LOOKING, FOLLOWED = "looks for who was lost", "followed another"  # of a process that has ended: not to blame
# What jax says in the processes that are left.
_OF_OTHERS = re.compile(
    r"gloo|nccl|coordination|heartbeat|barrier|peer|another task|connection|UNAVAILABLE|DEADLINE_EXCEEDED",
    re.I,
)


def own_sign(workdir: Path, pid: int) -> Sign | None:
    """Returns the sign of this host's process with a number, None if it has given none yet."""
    born = state_of(pid).born
    mine = [one for one in signs(workdir) if (one.host, one.pid) == (socket.gethostname(), pid)]
    return next((one for one in mine if not (born and one.born) or born == one.born), None)


def launch_of(workdir: Path, own: Sign, address: str = "") -> list[Sign]:
    """Returns the signs of the others that were started together with a process.

    Args:
      workdir: with the signs that are known here.
      own: the sign of the process that asks.
      address: where those that have ended say so, if the workdir is not one that all see; '' = it is.
    """
    if address:
        _hear(workdir, own, address)
    return [
        one
        for one in signs(workdir)
        if (one.launch, one.processes) == (own.launch, own.processes) and one.process != own.process
    ]


def speaks_of_others(words: str) -> bool:
    """Tells whether an error is what jax raises where another process has gone."""
    return words.startswith(("JaxRuntimeError", "XlaRuntimeError")) and bool(_OF_OTHERS.search(words))


def settle(workdir: Path, pid: int, address: str = "") -> None:
    """Writes into the sign of a process that has just ended whether it was lost first; called at that very moment.

    Whoever ended while nobody else had is the first. It cannot be told at once where others run on other hosts.
    """
    own = own_sign(workdir, pid)
    if own is None:
        return
    others = launch_of(workdir, own, address)
    if any(_has_gone(one) or _is_stopped(one) for one in others):
        ended = FOLLOWED
    elif own.ended and not speaks_of_others(own.ended):
        ended = own.ended
    else:
        ended = LOOKING if any(one.host != own.host for one in others) else own.ended or OUTSIDE
    _write(workdir, own._replace(ended=ended), address)


def lost(workdir: Path, own: Sign, patience: float, address: str = "") -> list[Sign]:
    """Returns the processes that were lost before the one that asks, each with the reason in `ended`.

    Args:
      workdir: of the run.
      own: the sign of the process that asks, which has ended.
      patience: seconds in which a living process of another host gives a sign.
      address: as in `launch_of`.
    """
    if own.ended not in ("", LOOKING, FOLLOWED):
        return []
    deadline, silent = time.monotonic() + patience, dict[int, Sign]()
    while True:
        others = launch_of(workdir, own, address)
        if gone := [one._replace(ended=one.ended or OUTSIDE) for one in others if _has_gone(one)]:
            break
        known = {one.process: one for one in others if one.host != own.host and one.ended in ("", LOOKING)}
        silent = {process: one for process, one in (silent or known).items() if known.get(process) == one}
        if not silent or time.monotonic() >= deadline:
            gone = [one._replace(ended=OUTSIDE) for one in silent.values() if not one.ended]
            break
        time.sleep(SECONDS / 4)
    stopped = [one._replace(ended=STOPPED) for one in others if _is_stopped(one)]
    if own.ended == LOOKING:
        _write(workdir, own._replace(ended=FOLLOWED if gone or stopped else OUTSIDE), address)
    return gone or stopped


def runs_here(sign: Sign) -> bool:
    """Tells whether the process of a sign that this host has given still runs; True where that is not known."""
    state = state_of(sign.pid)
    return state.letter not in ("", "Z", "X") and not (sign.born and state.born and sign.born != state.born)


def _has_gone(sign: Sign) -> bool:
    """Whether a process has ended with a reason of its own, or runs no longer on this host."""
    if sign.ended:
        return sign.ended not in ("finished", LOOKING, FOLLOWED) and not speaks_of_others(sign.ended)
    return sign.host == socket.gethostname() and not runs_here(sign)


def _is_stopped(sign: Sign) -> bool:
    """Whether a process of this host is held (SIGSTOP), which to the others is as if it had gone."""
    here = sign.host == socket.gethostname()
    return here and not sign.ended and runs_here(sign) and state_of(sign.pid).letter in ("T", "t")


def _write(workdir: Path, sign: Sign, address: str) -> None:
    name = f"{FOLDER}/{sign.process}.json"
    # What ended the run matters more: the disk may be full, the workdir gone, the bucket out of reach.
    with contextlib.suppress(OSError):
        write(workdir / name, sign)
    if address:
        with contextlib.suppress(OSError, ValueError):
            Bucket(address, HASTE).write(name, json.dumps(sign._asdict()).encode())


def _hear(workdir: Path, own: Sign, address: str) -> None:
    """Keeps here what those of a launch have said at its end."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        bucket = Bucket(address, HASTE)
        for name in bucket.versions(FOLDER):
            sign = Sign(**json.loads(bucket.read(name)))
            if sign.launch == own.launch and sign.process != own.process:
                write(workdir / FOLDER / f"{sign.process}.json", sign)
