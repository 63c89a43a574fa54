"""What surrounds a run's steps: its place is its own, its log is open, and it can be told to stop."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax

from input_pipeline.buckets import Bucket, joined
from input_pipeline.whole_files import write_whole
from vlp.checkpoint import Checkpointer, Replicas, shown
from vlp.configuration import to_dict
from vlp.processes import board
from vlp.processes.agreement import from_first
from vlp.processes.claim import claimed
from vlp.processes.claim_in_bucket import claimed_in_bucket
from vlp.processes.heartbeat import Heartbeat, Sign
from vlp.processes.home import PROGRAMS, Home
from vlp.training.faults import Faults
from vlp.training.goodput import Goodput
from vlp.training.rollback import Rollback
from vlp.training.writers import MetricsWriter

REPLICAS = "replicas.json"  # names the run that replicas on the hosts belong to
_SIGNS = "vlp/signs"


@contextlib.contextmanager
def at_home(home: Home) -> Iterator[None]:
    """Keeps the place of a run's files for it, has those that it goes on from here, and brings what is new.

    All processes call it.

    Raises:
      ValueError: another run has the place, or it cannot be written.
    """
    process = jax.process_index()
    with contextlib.ExitStack() as stack:
        if not home.address:
            stack.enter_context(claimed(home.folder, process))
        else:
            claim = stack.enter_context(claimed_in_bucket(home.address, process))
            home.claim = claim.check if claim is not None else home.claim
            home.fetch(process)
            _share_programs(home, process)
            stack.enter_context(home.brought())
        yield


def _share_programs(home: Home, process: int) -> None:
    """Has the programs that earlier starts of this run compiled, and brings new ones with its other files: a machine
    that has never seen the run then compiles nothing."""
    if not (kept := jax.config.values["jax_compilation_cache_dir"]):
        return
    folder = Path(kept)
    bucket = Bucket(joined(home.address, PROGRAMS))
    missing = [name for name in bucket.versions() if not (folder / name).exists()]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: write_whole(folder / name, bucket.read(name)), missing))
    if process == 0:  # jax has it alone write them
        home.bring_also(folder, PROGRAMS, "-cache")


def checkpointer_of(settings: Any, home: Home) -> Checkpointer:
    """Returns what saves a run's checkpoints, in its folder or its bucket.

    Args:
      settings: `checkpoint` of the config.
      home: of the run.
    """
    return Checkpointer(
        home.folder / "checkpoints",
        keep_last=settings.keep_last,
        keep_every=settings.keep_every,
        address=joined(home.address, "checkpoints") if home.address else "",
        vouch=home.vouch,
    )


@contextlib.contextmanager
def hastening(checkpointer: Checkpointer) -> Iterator[None]:
    """Has a save that is under way when an error ends the run not wait for a bucket that does not answer."""
    try:
        yield
    except BaseException:
        checkpointer.hasten()
        raise


def replicas_of(settings: Any, home: Home, checkpointer: Checkpointer, mesh: Mapping[str, int]) -> Replicas:
    """Returns what keeps a run's fast tier on this host. Every process calls it, in a place that is the run's.

    Args:
      settings: `checkpoint` of the config.
      home: of the run.
      checkpointer: of its checkpoints for good.
      mesh: sizes of its axes.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vlp" / "replicas"
    place = home.address or str(home.folder.absolute())
    return Replicas(
        Path(settings.local_folder or cache) / hashlib.sha256(place.encode()).hexdigest()[:24],
        from_first(_number_of(home.folder / REPLICAS) if jax.process_index() == 0 else 0),
        mesh,
        vouch=home.vouch,
        newest=checkpointer.last,
    )


def _number_of(path: Path) -> int:
    """Of the run in a place: what others had left on the hosts, before somebody emptied it, is none of its own."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return int(json.loads(path.read_text(encoding="utf-8"))["run"])
    number = random.SystemRandom().getrandbits(31)
    write_whole(path, (json.dumps({"run": number}) + "\n").encode())
    return number


def write_config(home: Home, config: Any) -> None:
    """Writes config.json, in which addresses show no secrets."""
    text = json.dumps(shown(to_dict(config)), indent=1, sort_keys=True)
    write_whole(home.folder / "config.json", (text + "\n").encode())


def writer_of(home: Home, config: Any) -> MetricsWriter:
    """Returns what writes a run's curves, in the first process."""
    log = config.log
    return MetricsWriter(
        home.folder,
        enabled=jax.process_index() == 0,
        tensorboard=log.tensorboard,
        tracker=log.tracker,
        project=config.name,
        name=str(home).rstrip("/").rpartition("/")[2],
    )


def goodput_of(home: Home, step: int, faults: Faults, rollbacks: Sequence[Rollback]) -> Goodput:
    """Returns what adds up where a run's time went, before its files are truncated to the step that it goes on from."""
    return Goodput(
        home.folder,
        step=step,
        undone=lambda: faults.skipped + sum(rollback.undone for rollback in rollbacks),
        enabled=jax.process_index() == 0,
    )


def heartbeat_of(home: Home, launch: int) -> Heartbeat:
    """Returns this process's signs of life: files where all see one folder, else told through jax's coordinator."""
    process, processes = jax.process_index(), jax.process_count()
    if not home.address or processes == 1:
        return Heartbeat(home.folder, process, processes, launch)
    return Heartbeat(home.folder, process, processes, launch, _Telling(processes))


class _Telling:
    """Tells a sign, and hears those of the others: the first time all of them."""

    def __init__(self, processes: int) -> None:
        self._processes, self._began, self._times = processes, False, 0

    def __call__(self, own: Sign) -> list[Sign]:
        try:
            board.tell(f"{_SIGNS}/{own.process}", json.dumps(own._asdict()))
            self._times += 1
            if not self._began:
                said = [board.ask(f"{_SIGNS}/{one}") for one in range(self._processes) if one != own.process]
                self._began = True
            elif self._times % (1 + self._processes // 64) == 0:  # each hears all: many do it less often
                said = list(board.heard(_SIGNS).values())
            else:
                said = []
        except (jax.errors.JaxRuntimeError, TimeoutError) as error:
            logging.getLogger("vlp").info("signs of life are not passed on: %s", error)
            return []
        return [sign for sign in (Sign(**json.loads(words)) for words in said) if sign.process != own.process]
