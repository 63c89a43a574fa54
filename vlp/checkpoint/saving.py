"""One save, from arrays on the devices to a checkpoint: what is copied at once, and what a thread does with it.

A process alone hands its arrays to Orbax. Several write each its own pieces (`pieces.py`), and tell the first one by
the board what they have written; it vouches for all of it, and tells them. So nothing of a save but its beginning is in
the loop, and no process needs to see another's files.
"""

from __future__ import annotations

import itertools
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import jax
from jaxtyping import PyTree

from vlp.checkpoint.arrays import files_of, on_host, pieces_on_host, start_saving, write_listing
from vlp.checkpoint.description import Description
from vlp.checkpoint.folders import SAVING, publish
from vlp.checkpoint.in_bucket import StoredCheckpoints
from vlp.checkpoint.manifest import NEEDED, Entries, vouched, write_manifest
from vlp.checkpoint.pieces import write_pieces
from vlp.processes import board

_numbers = itertools.count()  # of saves, in the order in which all processes begin them
_BEGUN, _DONE = "begun", "done"


class Saving:
    """A save that has begun: its arrays are on the host, whatever later steps do."""

    def __init__(
        self,
        directory: Path,
        step: int,
        parts: dict[str, PyTree],
        description: Description,
        stored: StoredCheckpoints | None = None,
        vouch: Callable[[], None] = lambda: None,
    ) -> None:
        """Copies the arrays. Every process calls it, in the same order.

        Args:
          directory: of all checkpoints of the run, which all processes see; of this process alone where they are
            `stored` elsewhere.
          step: names the checkpoint.
          parts: pytrees of arrays by name.
          description: everything else.
          stored: where the checkpoint goes; None = it stays in the directory.
          vouch: called before the checkpoint in a bucket becomes one; raises where it must not.

        Raises:
          ValueError: an array was donated or deleted.
        """
        self.step, self._folder = step, directory / f"{step}{SAVING}"
        self._description, self._stored, self._vouch = description, stored, vouch
        self._process, self._processes = jax.process_index(), jax.process_count()
        self._topic = f"vlp/save/{next(_numbers)}"
        self._parts, self._pieces = parts, None
        if self._processes > 1:
            self._pieces = pieces_on_host(parts)
            # Of the arrays themselves the listing needs shapes alone, and a later step takes them.
            self._parts = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), parts)
        else:
            self._parts = on_host(parts)

    def finish(self) -> None:
        """Writes everything; only what is complete gets its name.

        Raises:
          Exception: this process could not write.
          RuntimeError: another one could not.
        """
        try:
            entries, error = self._written(), None
        except BaseException as caught:
            entries, error = {}, caught
        try:
            self._settle(entries, error)
        except BaseException:
            if self._stored or self._process == 0:
                shutil.rmtree(self._folder, ignore_errors=True)  # the disk may be full
            raise

    def _written(self) -> Entries:
        """Writes what is this process's, into the bucket as well, and says what it is."""
        first = self._process == 0
        if first or self._stored:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder.mkdir(parents=True)
        if first:
            self._description.write(self._folder)
            write_listing(self._folder, self._parts)
        entries = self._alone() if self._pieces is None else self._together()
        if self._stored is not None:
            self._stored.put(self.step, self._folder, entries)
        return entries

    def _alone(self) -> Entries:
        start_saving(self._folder, self._parts)()
        return vouched(self._folder, (*NEEDED, *files_of(self._parts)))

    def _together(self) -> Entries:
        if self._process == 0:
            board.tell(f"{self._topic}/{_BEGUN}", "")
        elif not self._stored and (words := board.ask(f"{self._topic}/{_BEGUN}")):
            raise RuntimeError(words)
        assert self._pieces is not None
        names = write_pieces(self._folder, self._pieces, self._process, self._processes)
        own = (*NEEDED, *names) if self._process == 0 else names
        return vouched(self._folder, own, only=own)

    def _settle(self, entries: Entries, error: BaseException | None) -> None:
        """Has the first process complete what all have written, or all of them give it up."""
        if self._processes == 1:
            if error is not None:
                raise error
            self._complete(entries)
            return
        words = f"process {self._process}: {type(error).__name__}: {error}" if error is not None else ""
        if self._process == 0:
            self._settle_all(entries, words)
        else:
            board.tell(f"{self._topic}/{self._process}", json.dumps([words, entries]))
            said = board.ask(f"{self._topic}/{_DONE}", 2 * board.SECONDS)  # the first waits for others
            if said and error is None:
                raise RuntimeError(said)
        if error is not None:
            raise error
        if self._process and self._stored:
            publish(self._folder)

    def _settle_all(self, entries: Entries, words: str) -> None:
        """Hears of all others, completes the checkpoint, and tells them what became of it."""
        if words:
            board.tell(f"{self._topic}/{_BEGUN}", words)
        failed, why, deadline = [words] if words else [], "", time.monotonic() + board.SECONDS
        try:
            for process in range(1, self._processes):  # all of them in the time that one may take
                left = max(1.0, deadline - time.monotonic())
                said, theirs = json.loads(board.ask(f"{self._topic}/{process}", left))
                failed += [said] if said else []
                entries |= theirs
            why = "; ".join(failed)
            if not failed:
                self._complete(entries)
        except BaseException as caught:
            why = f"process 0: {type(caught).__name__}: {caught}"
            raise
        finally:
            board.tell(f"{self._topic}/{_DONE}", why)
        if failed and not words:
            raise RuntimeError(why)

    def _complete(self, entries: Entries) -> None:
        write_manifest(self._folder, entries)
        if self._stored is not None:
            self._vouch()
            self._stored.commit(self.step, self._folder)
        publish(self._folder)
