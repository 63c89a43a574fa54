"""A fast tier of checkpoints: each process keeps, on its own host, the last ones of all that its devices hold.

After a process has died, the others and the one that takes its place go on from there: what a host has lost another one
may hold as well, wherever an array is repeated over processes. Nothing of it is for good, so nothing else reads it; a
checkpoint that every host could read is always behind it.

FOLDER/RUN/PROCESS/STEP is a checkpoint as `pieces` are, with all stretches that its process needs, and REPLICA beside:
which process needs which share of the arrays. Processes that need the same have equal shares.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
import json
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.experimental import multihost_utils
from jaxtyping import PyTree

from vlp.checkpoint.arrays import flat_arrays, pieces_on_host, write_listing
from vlp.checkpoint.background import writer
from vlp.checkpoint.description import Description
from vlp.checkpoint.folders import SAVING, complete_steps, publish, remove
from vlp.checkpoint.manifest import NEEDED, find_damage, vouched, write_manifest
from vlp.checkpoint.names import step_of
from vlp.checkpoint.pieces import Pieces, write_pieces
from vlp.processes import board
from vlp.processes.agreement import raise_together

REPLICA = "replica.json"
KEPT = 2  # of a process: it may be cut off when others already have a later one
STRETCH = 4 << 20  # bytes that go from one process to the others at once
_REMEMBERED = 8  # words of saves, of which no process asks for older ones
_numbers = itertools.count()


class Replica(NamedTuple):
    """Holds what lies on this host of one step.

    Attributes:
      shares: of all processes, in their order; equal ones hold the same stretches.
      folders: that lie here, by share.
    """

    shares: tuple[str, ...]
    folders: dict[str, Path]


class Replicas:
    """The fast tier of one run. Every process calls every method, in the same order."""

    def __init__(
        self,
        folder: Path,
        run: int,
        mesh: Mapping[str, int],
        *,
        vouch: Callable[[], None] = lambda: None,
        newest: Callable[[], int] = lambda: -1,
    ) -> None:
        """Removes what other runs have left in the folder.

        Args:
          folder: of this host, for a run's place: a disk of its own, or memory.
          run: a number that tells it from those that had the place before.
          mesh: sizes of its axes: on another one a process needs other stretches.
          vouch: called in the first process before a step may be gone on with: what it has written to that step has to
            outlast the host.
          newest: the step of the newest checkpoint that is for good, as the first process knows.
        """
        self._process, self._processes = jax.process_index(), jax.process_count()
        self._root = folder / f"{run:08x}"
        self._own = self._root / str(self._process)
        self._mesh: list[Any] = [self._processes, *map(list, sorted(mesh.items()))]
        self._vouch, self._newest = vouch, newest
        self._worker = writer("replicas")
        self._pending: Future[None] | None = None
        for other in folder.glob("*"):
            if other != self._root:
                shutil.rmtree(other, ignore_errors=True)  # another process of this host may be at it, too

    def save(self, step: int, model: PyTree, training: PyTree, description: Description) -> None:
        """Keeps one step; returns once the arrays are copied. What cannot be written is said in the log alone.

        Args:
          step: names it.
          model: arrays that make the model.
          training: arrays that only training needs.
          description: everything else; that of the first process is kept by all.
        """
        self.wait()
        parts = {"model": model, "training": training}
        pieces = pieces_on_host(parts, replicas=True)
        # Of the arrays themselves shapes and places are enough from here on, and a later step takes them.
        places = {
            f"{part}/{name}": (leaf.shape, leaf.sharding if isinstance(leaf, jax.Array) else None)
            for part, arrays in flat_arrays(parts).items()
            for name, leaf in arrays.items()
        }
        shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), parts)
        topic = f"vlp/replicas/{next(_numbers)}"
        self._pending = self._worker.submit(
            self._finish, topic, step, pieces, functools.partial(self._shares, places), shapes, description
        )

    def wait(self) -> None:
        """Waits until the last one is written, or given up."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def close(self, done: bool) -> None:
        """Waits for the last one and stops the writer.

        Args:
          done: the run has made its last step, which is saved for good: nothing is kept here.
        """
        self.wait()
        self._worker.shutdown()
        if done:
            shutil.rmtree(self._own, ignore_errors=True)

    def newest(self, than: int) -> Path | None:
        """Returns this process's folder of the newest step that all processes can go on from, each from its own host
        or from what another has sent it; None where there is none.

        Args:
          than: the step of the newest checkpoint that is for good: older ones are of no use, and those that were made
            after a later one are not gone on with, for somebody has gone back.
        """
        found: Path | None = None
        here = self._here(than)
        there = self._announced({step: [one.shares, [*one.folders]] for step, one in here.items()})
        for path in self._own.glob(f"*{SAVING}"):
            shutil.rmtree(path)
        for step in sorted({step for one in there for step in one}, reverse=True):
            wanted = next(one[step][0] for one in there if step in one)
            held = [set(one[step][1]) if step in one else set() for one in there]
            if set(wanted) <= set().union(*held):
                found = self._gathered(step, wanted, held, here[step].folders if step in here else {})
                break
        self._forget_later(int(found.name) if found is not None else than)
        return found

    def _forget_later(self, step: int) -> None:
        """Removes what lies here of steps that the run is about to make anew."""
        for path in self._root.glob("*/*"):
            if (own := step_of(path.name)) is not None and own > step:
                shutil.rmtree(path, ignore_errors=True)  # another process of this host may be at it, too

    def _here(self, than: int) -> dict[int, Replica]:
        """What lies on this host and is whole: of this process, and where that is lost of whichever."""
        found: dict[int, Replica] = {}
        own: set[int] = set()
        for owner in sorted(self._root.glob("*"), key=lambda path: path != self._own):
            for step in complete_steps(owner):
                folder = owner / str(step)
                if step <= than or step in own or find_damage(folder):
                    continue
                about = json.loads((folder / REPLICA).read_text(encoding="utf-8"))
                if about["mesh"] != self._mesh or about["after"] > than:
                    continue
                replica = found.setdefault(step, Replica(tuple(about["shares"]), {}))
                replica.folders[about["share"]] = folder
                if owner == self._own and about["share"] == about["shares"][self._process]:
                    own.add(step)
        return found

    def _announced(self, here: dict[int, Any]) -> list[dict[int, Any]]:
        """What all processes have, in their order."""
        if self._processes == 1:
            return [here]
        topic = f"vlp/replicas/there/{next(_numbers)}"
        board.tell(f"{topic}/{self._process}", json.dumps(here))
        said = [json.loads(board.ask(f"{topic}/{process}")) for process in range(self._processes)]
        return [{int(step): one for step, one in those.items()} for those in said]

    def _gathered(
        self, step: int, wanted: list[str], held: list[set[str]], folders: Mapping[str, Path]
    ) -> Path:
        """The folder with this process's share of a step, once those who lack theirs have been sent it."""
        own = wanted[self._process]
        for share in sorted({share for share, has in zip(wanted, held, strict=True) if share not in has}):
            source = next(process for process, has in enumerate(held) if share in has)
            lacks = share == own and share not in folders
            folder = folders[share] if source == self._process else None
            target = self._own / str(step) if lacks else None
            raise_together(_pass_on(source, folder, target))
        return folders.get(own, self._own / str(step))

    def _finish(
        self,
        topic: str,
        step: int,
        pieces: Pieces,
        shares: Callable[[], list[str]],
        shapes: dict[str, PyTree],
        description: Description,
    ) -> None:
        folder = self._own / f"{step}{SAVING}"
        try:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            write_listing(folder, shapes)
            names = write_pieces(folder, pieces, self._process, self._processes)
            said = self._agreed(topic, description)
            progress = {**description.progress, **said["progress"]}
            Description(**{**vars(description), "progress": progress}).write(folder)
            found = shares()
            about = {
                "mesh": self._mesh,
                "after": said["after"],
                "shares": found,
                "share": found[self._process],
            }
            (folder / REPLICA).write_text(json.dumps(about) + "\n", encoding="utf-8")
            write_manifest(folder, vouched(folder, (*NEEDED, *names, REPLICA)))
            publish(folder)
            for older in complete_steps(self._own)[:-KEPT]:
                remove(self._own / str(older))
        except Exception as error:
            logging.warning("no replica of step %d is kept on this host: %s", step, error)
            shutil.rmtree(folder, ignore_errors=True)
            if self._process == 0 and self._processes > 1:
                board.tell(topic, json.dumps({"error": str(error)}))

    def _agreed(self, topic: str, description: Description) -> dict[str, Any]:
        """How far the first process is with this step, once it vouches for it."""
        if self._process == 0:
            self._vouch()
            said = {"progress": dict(description.progress), "after": self._newest()}
            if self._processes > 1:
                board.tell(topic, json.dumps(said))
                board.forget(f"vlp/replicas/{int(topic.rpartition('/')[2]) - _REMEMBERED}")
            return said
        said = json.loads(board.ask(topic))
        if "error" in said:
            raise RuntimeError(f"process 0: {said['error']}")
        return said

    def _shares(self, places: Mapping[str, tuple[tuple[int, ...], Any]]) -> list[str]:
        """What tells the stretches that a process needs from those that others need."""
        found = [hashlib.sha256() for _ in range(self._processes)]
        for name, (shape, sharding) in places.items():
            indices = _indices(shape, sharding) if sharding is not None else {}
            for process, digest in enumerate(found):
                digest.update(f"{name}{shape}{indices.get(process, '')};".encode())
        return [digest.hexdigest()[:32] for digest in found]


@functools.lru_cache(4096)
def _indices(shape: tuple[int, ...], sharding: Any) -> dict[int, str]:
    """Which stretches of an array the devices of each process hold."""
    found: dict[int, set[str]] = {}
    for device, index in sharding.devices_indices_map(shape).items():
        found.setdefault(device.process_index, set()).add(str([(one.start, one.stop) for one in index]))
    return {process: ",".join(sorted(held)) for process, held in found.items()}


def _pass_on(source: int, folder: Path | None, target: Path | None) -> Exception | None:
    """Sends the files of a folder from one process to those that have a target; returns what went wrong here.

    Every process calls it, and takes part to the end whatever goes wrong with its own disk.
    """
    topic = f"vlp/replicas/files/{next(_numbers)}"
    error: Exception | None = None
    if folder is not None:
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        board.tell(
            topic, json.dumps([[str(path.relative_to(folder)), path.stat().st_size] for path in paths])
        )
    aside = target.with_name(target.name + SAVING) if target is not None else None
    if target is not None:
        shutil.rmtree(target, ignore_errors=True)  # what was damaged
    for name, size in json.loads(board.ask(topic)):
        for piece in _sent(folder / name if folder is not None else None, size, source):
            if aside is not None and error is None:
                error = _added(aside / name, piece)
    if aside is not None and target is not None and error is None:
        aside.rename(target)
        if damage := find_damage(target):
            error = RuntimeError(f"what came of {target} is not what was sent: {damage}")
    return error


def _sent(path: Path | None, size: int, source: int) -> Iterator[bytes]:
    """A file of one process, in all of them, piece by piece; of one length, so that one program is compiled."""
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(path.open("rb")) if path is not None else None
        for start in range(0, max(size, 1), STRETCH):
            piece = np.zeros(STRETCH, np.uint8)
            length = min(STRETCH, size - start)
            if file is not None:
                piece[:length] = np.frombuffer(file.read(length), np.uint8)
            there = multihost_utils.broadcast_one_to_all(piece, is_source=jax.process_index() == source)
            yield np.asarray(there)[:length].tobytes()


def _added(path: Path, piece: bytes) -> Exception | None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(piece)
    except OSError as error:
        return error
    return None
