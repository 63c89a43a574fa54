"""Last words for a process of several: jax ends it without asking when another one is lost."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from input_pipeline.buckets import HASTE, Bucket
from vlp.configuration import ConfigError
from vlp.processes.heartbeat import FOLDER, Sign
from vlp.processes.home import MANIFEST, Home, forget_slots
from vlp.processes.launcher import launcher
from vlp.processes.lost import FOLLOWED, LOOKING, OUTSIDE, lost, own_sign, settle, speaks_of_others

DONE = b"done"
FARTHER = 15.0  # seconds more, in which those on other hosts have ended and said so in a bucket
GRACE = 5.0  # seconds in which the others find the same mistake: the end of one would cut them off
SETTLING = 1.0  # seconds in which the other processes of a host have written down that they have ended


@contextlib.contextmanager
def watched(settings: Mapping[str, Any], home: Home) -> Iterator[None]:
    """Watches a job: if it is one of several processes, a small process of its own stands beside it.

    When the job's process ends in any other way than by leaving this context, however violently, that one says which
    process was lost and how to go on. An error inside ends the process at once: jax would wait at exit for
    the others, who wait for this one.

    Args:
      settings: `distributed` of the config.
      home: of the run.
    """
    if not launcher(settings):
        yield
        return
    pipe = _post(home, settings["heartbeat_seconds"])
    try:
        yield
    except BaseException as error:
        if isinstance(error, ConfigError):
            os.write(pipe, DONE)  # the same command would end in the same: nothing to go on with
            print(f"error: {error}", file=sys.stderr, flush=True)
            time.sleep(GRACE)
        elif not _has_followed(home, error):
            traceback.print_exception(error)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(2 if isinstance(error, ConfigError) else 1)
    os.write(pipe, DONE)
    os.close(pipe)


def _has_followed(home: Home, error: BaseException) -> bool:
    """Whether an error only says that another process has gone: the last words say so better, the log has it all."""
    words = f"{type(error).__name__}: {error}"
    own = own_sign(home.folder, os.getpid())
    return (
        own is not None
        and speaks_of_others(words)
        and bool(lost(home.folder, own._replace(ended=""), SETTLING, home.address))
    )


def _post(home: Home, patience: float) -> int:
    """Forks the sentinel; returns the end of the pipe whose closing wakes it."""
    watched_pid = os.getpid()
    reading, writing = os.pipe()
    if os.fork():
        os.close(reading)
        return writing
    os.close(writing)
    forget_slots()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    ended_well = (
        os.read(reading, len(DONE)) == DONE
    )  # empty once the other end is closed by whatever end came
    if not ended_well:
        with _as_left(home) as left:
            settle(left.folder, watched_pid, home.address)
            time.sleep(SETTLING)
            print(last_words(left, watched_pid, patience), file=sys.stderr, flush=True)
    os._exit(0)


@contextlib.contextmanager
def _as_left(home: Home) -> Iterator[Home]:
    """What last words are about, as it is now: a process that starts anew may soon have the folder for copies."""
    if not home.address:
        yield home
        return
    with tempfile.TemporaryDirectory(prefix="vlp-") as name:
        folder = Path(name)
        for path in (home.folder / "checkpoints").glob("*"):
            (folder / "checkpoints" / path.name).mkdir(parents=True)
        with contextlib.suppress(OSError):
            shutil.copytree(home.folder / FOLDER, folder / FOLDER)
        yield Home(folder, home.address)


def last_words(home: Home, pid: int, patience: float) -> str:
    """Returns what is said of a process that did not end by itself.

    Args:
      home: of the run.
      pid: of the process that ended.
      patience: seconds to find out whether processes of other hosts still live.
    """
    own = own_sign(home.folder, pid)
    if own is None:
        return (
            f"a process that had not begun to train has ended: {OUTSIDE}. If it waited for others: is every process "
            f"started, and does each reach the port of the first? {how_to_go_on(home)}"
        )
    why = own.ended if own.ended not in ("", LOOKING, FOLLOWED) else OUTSIDE
    who = (
        "; ".join(
            map(_described, lost(home.folder, own, patience + (FARTHER if home.address else 0), home.address))
        )
        or why
    )
    return f"process {own.process} of {own.processes} has ended: {who}. {how_to_go_on(home)}"


def how_to_go_on(home: Home) -> str:
    """Returns what to do after a run was cut off."""
    names = [path.name for path in (home.folder / "checkpoints").glob("*")]
    if home.address:  # of which this process may have seen but a part
        with contextlib.suppress(OSError, ValueError):
            stored = Bucket(home.address, HASTE).versions("checkpoints")
            names = [name.split("/")[1] for name in stored if name.endswith(f"/{MANIFEST}")]
    steps = [int(name) for name in names if name.isascii() and name.isdigit()]
    there = f"from step {max(steps)}" if steps else "from the start, for it had saved nothing"
    return f"Start all processes again with the same command: the run goes on {there}"


def _described(sign: Sign) -> str:
    return (
        f"process {sign.process} (pid {sign.pid} on {sign.host}) was lost at step {sign.step}: {sign.ended}"
    )
