"""One run at a time at an address: an object that names its owner, who writes it anew as long as it lives.

Each write is one in the place of the owner's last, so that of two who think that it is theirs, one is refused: whoever
has lost it makes no checkpoint any more, for it looks before each. A new owner waits for as long as a living one would
need to say so; the owner before on the same host is known to have ended at once.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

from input_pipeline.buckets import HASTE, Bucket, BucketError, Version
from input_pipeline.errors import UserError
from vlp.processes.agreement import raise_together
from vlp.processes.heartbeat import Sign, state_of
from vlp.processes.lost import runs_here

LOCK = "run.lock"
SECONDS = 10.0  # between two writes; a bucket takes one a second
_REMOVED = "its object was removed"


class Claim:
    """Holds an address as long as its thread writes."""

    def __init__(self, address: str) -> None:
        """Takes it.

        Raises:
          ValueError: another run has it.
          BucketError: the bucket refuses, or does not answer.
        """
        self._bucket = Bucket(address)
        pid = os.getpid()
        self._owner = {"pid": pid, "host": socket.gethostname(), "born": state_of(pid).born}
        self._beats, self._lost, self._done = 0, "", threading.Event()
        self._lock = threading.Lock()  # one look or one write at a time
        self._mark = self._taken()
        self._beat()  # where objects cannot be replaced this says so before the first step
        self.check()
        self._thread = threading.Thread(target=self._live, name="claim", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Makes sure that it is still this run's: looks, for the thread may be late.

        Raises:
          BucketError: another run has taken it, while this one gave no sign of life; or the bucket does not answer.
        """
        with self._lock:
            try:
                if not self._lost and self._bucket.version(LOCK).tag != self._mark.tag:
                    self._compare()
            except FileNotFoundError:
                self._lost = _REMOVED
        if self._lost:
            raise BucketError(f"{self._bucket.address}: another run has taken it over: {self._lost}")

    def leave(self) -> None:
        """Gives it back, if that can be done soon: who comes next waits half a minute where it is not."""
        self._bucket.patience = HASTE
        self._done.set()
        self._thread.join()
        with contextlib.suppress(OSError):
            if not self._lost:
                self._write(ended=True)

    def _taken(self) -> Version:
        """What is there once it is this run's."""
        try:
            return self._bucket.write(LOCK, self._words(), new=True)
        except FileExistsError:
            pass
        before, mark = self._read()
        if not before.get("ended") and not self._has_gone(before):
            deadline = time.monotonic() + 3 * SECONDS
            while time.monotonic() < deadline:
                time.sleep(SECONDS / 4)
                now, mark = self._read()
                if now.get("ended"):
                    break
                if now != before:
                    raise UserError(_held_by(self._bucket.address, now))
        try:
            return self._bucket.write(LOCK, self._words(), instead=mark)
        except FileExistsError:
            now, mark = self._read()
            if now != json.loads(self._words()):  # else an answer was lost on its way
                raise UserError(_held_by(self._bucket.address, now)) from None
            return mark

    def _has_gone(self, owner: dict[str, Any]) -> bool:
        """Whether this host knows that the owner before has ended, or that it was this very process."""
        if owner.get("host") != socket.gethostname():
            return False
        pid, born = int(owner.get("pid", 0)), str(owner.get("born", ""))
        same = pid == os.getpid() and born == self._owner["born"]
        return same or not runs_here(Sign(0, 1, str(owner["host"]), pid, 0, 0, born=born))

    def _read(self) -> tuple[dict[str, Any], Version]:
        mark = self._bucket.version(LOCK)
        try:
            found = json.loads(self._bucket.read(LOCK))
        except ValueError:
            return {}, mark
        return (found if isinstance(found, dict) else {}), mark

    def _words(self, ended: bool = False) -> bytes:
        return json.dumps({**self._owner, "beats": self._beats, "ended": ended}).encode()

    def _write(self, ended: bool = False) -> None:
        self._beats += 1
        try:
            self._mark = self._bucket.write(LOCK, self._words(ended), instead=self._mark)
        except FileExistsError:
            self._compare(ended)

    def _compare(self, ended: bool = False) -> None:
        """Takes what is there for this run's last word, whose answer was lost on its way, or for that of another."""
        now, mark = self._read()
        if now == json.loads(self._words(ended)):
            self._mark = mark
        else:
            self._lost = f"pid {now.get('pid')} on {now.get('host')}"

    def _beat(self) -> None:
        with self._lock:
            try:
                self._write()
            except FileNotFoundError:
                self._lost = _REMOVED

    def _live(self) -> None:
        while not self._done.wait(SECONDS) and not self._lost:
            with contextlib.suppress(
                BucketError
            ):  # what it refuses, it also refuses to checkpoints, which say so
                self._beat()


@contextlib.contextmanager
def claimed_in_bucket(address: str, process: int) -> Iterator[Claim | None]:
    """Keeps an address for the run inside. All processes call it, the first one holds it for them, and yields it.

    Raises:
      ValueError: another run has it, or it cannot be written.
    """
    claim, error = None, None
    if process == 0:
        try:
            claim = Claim(address)
        except ValueError as caught:
            error = caught
        except BucketError as caught:
            error = UserError(f"the workdir cannot be written: {caught}; give another --workdir")
    try:
        raise_together(error)
        yield claim
    finally:
        if claim is not None:
            claim.leave()


def _held_by(address: str, owner: dict[str, Any]) -> str:
    return (
        f"another run is in the workdir {address} (pid {owner.get('pid', '?')} on {owner.get('host', 'a host')}): wait "
        "until it has ended, stop it, or use another --workdir"
    )
