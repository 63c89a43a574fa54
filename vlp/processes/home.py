"""Where a run's files are: a folder, or an address in a bucket, of which each process has a copy that is its own.

Everything is written into the folder. Where there is an address, what has changed goes there every minute, before every
checkpoint, and at the end; what another machine needs to go on comes from there. Objects cannot be added to, so files
that grow are written anew.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import itertools
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from input_pipeline.buckets import HASTE, Bucket, BucketError, in_bucket, joined
from input_pipeline.errors import UserError
from input_pipeline.whole_files import ASIDE, write_whole

SECONDS = 60.0  # between two looks for what has changed
# Not the copy's to bring or to fetch: checkpoints have a way of their own, the others are of machines.
APART = ("checkpoints", "processes", "run.lock")
METRICS = "metrics.jsonl"
MANIFEST = "manifest.json"  # of a checkpoint: what has it is whole
PROGRAMS = "compiled"
LEFT = ("logs", "tensorboard", "profile", "wandb", "trackio", PROGRAMS)  # which nothing goes on from
_slots: dict[str, tuple[Path, int]] = {}  # held as long as this process lives


class Home:
    """The files of one run.

    Attributes:
      folder: where they are written and read.
      address: where they belong; '' = in the folder.
      claim: raises where another run has taken the address; set by whoever holds it.
    """

    def __init__(self, folder: Path, address: str = "") -> None:
        """Touches nothing yet."""
        self.folder, self.address = folder, address
        self.claim: Callable[[], None] = lambda: None
        self._bucket = Bucket(address) if address else None
        self._brought: dict[str, tuple[int, int]] = {}  # size and time of what is there already
        self._also: list[tuple[Path, str, str, float]] = []  # folder, where it goes, endings, since when
        self._lock = threading.Lock()

    def __str__(self) -> str:
        return self.address or str(self.folder)

    def shown(self, path: Path) -> str:
        """Returns where a file of the folder belongs, or the path of any other."""
        if self.address and path.is_relative_to(self.folder):
            return joined(self.address, *path.relative_to(self.folder).parts)
        return str(path)

    def fetch(self, process: int = 0) -> None:
        """Has the folder hold what the address has and a run goes on from; whatever else it had goes.

        Args:
          process: the first one fetches the run's files, every one its own log, which it adds to.

        Raises:
          BucketError: the bucket refuses, or does not answer.
        """
        if self._bucket is None:
            return
        # Or `bring` would take what has just come for new, and put it in the place of what the run has written since.
        with self._lock:
            self.folder.mkdir(parents=True, exist_ok=True)
            for path in self.folder.iterdir():
                if path.name not in APART:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            own = f"logs/{process}.log"
            found = (
                name for name in self._bucket.versions() if name.partition("/")[0] not in (*APART, *LEFT)
            )
            for name in [*(found if process == 0 else ()), own]:
                target = self.folder / name
                with contextlib.suppress(FileNotFoundError):
                    write_whole(target, self._bucket.read(name))
                    self._brought[name] = _state(target)

    def bring(self) -> None:
        """Writes to the address what has changed since it last was brought there.

        Raises:
          BucketError: the bucket refuses or does not answer, or another run has the address.
        """
        if self._bucket is None:
            return
        self.claim()
        with self._lock:
            for name, path in self._files():
                with contextlib.suppress(FileNotFoundError):  # a temporary file of somebody's
                    state = _state(path)
                    if self._brought.get(name) != state:
                        self._bucket.write(name, path)
                        self._brought[name] = state

    def bring_also(self, folder: Path, name: str, ending: str) -> None:
        """Brings, with the run's own files, those that come into another folder from now on.

        Args:
          folder: where they come.
          name: of the folder that they go to.
          ending: of their names.
        """
        self._also.append((folder, name, ending, time.time()))

    def _files(self) -> Iterator[tuple[str, Path]]:
        """What may have to be brought, with its name there; last the metrics, whose last line says that all is."""
        found: list[Path] = []
        for root, folders, names in os.walk(self.folder):
            if Path(root) == self.folder:
                folders[:] = [name for name in folders if name not in APART]
                names = [name for name in names if name not in APART]
            found += [Path(root, name) for name in names if not name.endswith(ASIDE)]
        for path in sorted(found, key=lambda path: (path.name == METRICS, path)):
            if path.is_file():
                yield str(path.relative_to(self.folder)), path
        for folder, place, ending, since in self._also:
            for path in folder.glob(f"*{ending}"):
                if path.stat().st_mtime >= since:
                    yield f"{place}/{path.name}", path

    def vouch(self) -> None:
        """Makes sure that a checkpoint of this moment may become one: all that it vouches for is there, and the address
        is this run's.

        Raises:
          BucketError: the bucket refuses, or another run has the address.
        """
        self.bring()
        self.claim()

    @contextlib.contextmanager
    def brought(self) -> Iterator[None]:
        """Brings what changes meanwhile, from time to time, and in the end, however that comes; if that is an error,
        what cannot be brought soon stays here."""
        if self._bucket is None:
            yield
            return
        done = threading.Event()
        thread = threading.Thread(target=self._now_and_then, args=(done,), name="home", daemon=True)
        thread.start()
        try:
            yield
        except BaseException:
            self._bucket.patience = HASTE
            done.set()
            thread.join()
            self._bring_or_say()
            raise
        done.set()
        thread.join()
        self.bring()

    def _now_and_then(self, done: threading.Event) -> None:
        while not done.wait(SECONDS):
            self._bring_or_say()

    def _bring_or_say(self) -> None:
        try:
            self.bring()
        except OSError as error:
            logging.warning("the run's files stay here for now: %s", error)


def home_of(place: str | os.PathLike[str]) -> Home:
    """Returns the home at a path or an address, with a folder of this process alone for the latter.

    Raises:
      ValueError: the address names no bucket, or its package is missing.
    """
    if not in_bucket(place):
        return Home(Path(place))
    address = str(place).rstrip("/")
    if address not in _slots:
        _slots[address] = _slot(address)
    return Home(_slots[address][0], address)


def forget_slots() -> None:
    """Lets go of the folders for copies in a process that was forked off: they are the other one's alone."""
    while _slots:
        os.close(_slots.popitem()[1][1])


def _slot(address: str) -> tuple[Path, int]:
    """The first folder for copies of an address that no other process has, and what holds it."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vlp" / "runs"
    root /= hashlib.sha256(address.encode()).hexdigest()[:24]
    for number in itertools.count():
        try:
            root.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(root / f"{number}.lock", os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise UserError(
                f"copies of {address} go to {root}, which cannot be written ({error.strerror}): set XDG_CACHE_HOME to "
                "a folder that can"
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            continue
        return root / str(number), descriptor
    raise AssertionError("numbers do not end")


@contextlib.contextmanager
def beside(home: Home) -> Iterator[None]:
    """Gives a job that reads a run, or leaves something beside it, the run's files, and brings what is new."""
    home.fetch()
    with home.brought():
        yield


def copied(address: str) -> Path:
    """Returns a folder with what a run in a bucket has left but its checkpoints; or of a file of it, the file there."""
    file = address.rpartition("/")[2] if address.endswith(".json") else ""
    run = address.removesuffix(f"/{file}").removesuffix("/evaluations") if file else address
    home = home_of(run)
    home.fetch()
    return home.folder / address.removeprefix(run).lstrip("/")


def run_at(address: str) -> str:
    """Returns the address of the run that a checkpoint belongs to: of a workdir, its checkpoints, or one step, which
    may also have been copied somewhere alone; it belongs to the folder around it then.

    Raises:
      ValueError: the address names no bucket, or the bucket refuses or does not answer.
    """
    address = address.rstrip("/")
    parent, _, name = address.rpartition("/")
    if name.isdigit() and (parent.endswith("/checkpoints") or _is_step(address)):
        address = parent
    return address.removesuffix("/checkpoints")


def _is_step(address: str) -> bool:
    try:
        Bucket(address).version(MANIFEST)
    except FileNotFoundError:
        return False  # such as a workdir whose name is a number
    except BucketError as error:
        raise UserError(str(error)) from error
    return True


def _state(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns
