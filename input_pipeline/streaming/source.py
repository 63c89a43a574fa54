"""A source whose shards lie in a bucket: each is a source of its own once it is on this host's disk."""

from __future__ import annotations

import contextlib
import hashlib
import queue
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Any

from input_pipeline.buckets import Bucket, Version
from input_pipeline.errors import UserError
from input_pipeline.kinds import find_kind, sources, streamed
from input_pipeline.records import BadRecord, Reason, Record
from input_pipeline.streaming.cache import ShardCache
from input_pipeline.streaming.index import Shard, shards_at

_HELD = 4  # shards that a process keeps open, with those in use
_AHEAD = 4  # shards that are fetched at once before they are asked for


class StreamedSource:
    """Random access to records, of which those of few shards should be asked for at a time."""

    def __init__(
        self,
        source_class: Any,
        address: str,
        form: str,
        columns: Mapping[str, str],
        cache: ShardCache,
        held: int,
    ) -> None:
        """Finds out which shards there are.

        Args:
          source_class: opens one shard with (path, columns); where it has `rows_at(bucket, name, version)`, no shard is
            read whole to be counted.
          address: of a file, a folder or a pattern.
          form: of the shards, one of `streamed()`.
          columns: as the source class takes them.
          cache: where shards are kept.
          held: shards that a process keeps open, at most.

        Raises:
          ValueError: there is no shard, none that can be read, or a column that none has.
        """
        self._class, self._columns, self._cache, self._most = source_class, dict(columns), cache, held
        self._fields: Collection[str] | None = None
        count = getattr(source_class, "rows_at", self._count)
        self.bucket, self.shards = shards_at(address, streamed()[form], count)
        self._ends = list(accumulate(shard.records for shard in self.shards))
        self._start()

    def __len__(self) -> int:
        return self._ends[-1]

    def __getstate__(self) -> dict[str, Any]:
        own = ("_open", "_lock", "_queue", "_threads", "_coming")
        return {name: value for name, value in vars(self).items() if name not in own}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        vars(self).update(state)
        self._start()

    def __getitem__(self, index: int) -> Record:
        number = self.shard_of(index)
        with self._opened(number) as source:
            place = index - (self._ends[number - 1] if number else 0)
            if place >= len(source):
                raise BadRecord(Reason.UNREADABLE, f"{self.shards[number].name} has no record {place}")
            record: Record = source[place]
            return record

    def shard_of(self, index: int) -> int:
        """Returns which shard holds a record."""
        return bisect_right(self._ends, index)

    def sizes(self) -> list[int]:
        """Returns how many records each shard holds."""
        return [shard.records for shard in self.shards]

    def digest(self) -> str:
        """Returns a few letters for what the shards hold: their tags say it, and nothing is read."""
        said = repr([(shard.name, shard.size, shard.tag) for shard in self.shards])
        return hashlib.sha256(said.encode()).hexdigest()[:16]

    def expect(self, shards: Iterable[int]) -> None:
        """Has shards fetched that will be asked for, while others are read."""
        with self._lock:
            wanted = [one for one in shards if one not in self._coming and one not in self._open]
            self._coming.update(wanted)
        for number in wanted:
            self._queue.put(number)
        while wanted and len(self._threads) < _AHEAD:
            # They end with the process, whatever they still wait for.
            self._threads.append(threading.Thread(target=self._fetch_ahead, name="shards", daemon=True))
            self._threads[-1].start()

    def _fetch_ahead(self) -> None:
        while True:
            number = self._queue.get()
            # What went wrong is said when the shard is asked for.
            with (
                contextlib.suppress(ValueError, OSError),
                self._cache.holding(self.bucket, self.shards[number]),
            ):
                pass
            with self._lock:
                self._coming.discard(number)

    def _start(self) -> None:
        self._lock, self._open = threading.Lock(), OrderedDict[int, _Open]()
        self._coming: set[int] = set()
        self._queue, self._threads = queue.SimpleQueue[int](), list[threading.Thread]()

    @contextlib.contextmanager
    def _opened(self, number: int) -> Iterator[Any]:
        """A shard as a source; those used longest ago, which nobody uses now, are closed."""
        with self._lock:
            found = self._open.get(number)
            if found is None:
                found = self._open[number] = _Open()
            self._open.move_to_end(number)
            found.users += 1
            idle = [one for one, entry in self._open.items() if not entry.users]
            closing = [self._open.pop(one) for one in idle[: max(0, len(self._open) - self._most)]]
        for entry in closing:
            entry.stack.close()
        try:
            with found.lock:
                if found.source is None:
                    path = found.stack.enter_context(self._cache.holding(self.bucket, self.shards[number]))
                    found.source = self._class(str(path), self._columns)
            yield found.source
        finally:
            with self._lock:
                found.users -= 1

    def _count(self, bucket: Bucket, name: str, version: Version) -> int:
        with self._cache.holding(bucket, Shard(name, version.size, version.tag, 0)) as path:
            return len(self._class(str(path), self._columns))


class _Open:
    """A shard that is open, or about to be."""

    def __init__(self) -> None:
        self.source: Any = None
        self.users, self.lock, self.stack = 0, threading.Lock(), contextlib.ExitStack()


def open_streamed(entry: Mapping[str, Any], cache_gb: float) -> StreamedSource:
    """Opens an entry of `data.sources` whose path is an address in a bucket.

    Args:
      entry: of the config; without a format, the path's ending says it, or it is that of tar shards.
      cache_gb: `data.cache_gb`.

    Raises:
      ValueError: the format has no shards, or the entry asks for what shards do not have.
    """
    form = entry.get("format", "") or next(
        (form for form, suffix in streamed().items() if suffix in entry["path"].rpartition("/")[2]),
        "webdataset",
    )
    if form not in streamed():
        raise UserError(
            f"format '{form}' is not streamed, {', '.join(streamed())} are: data.cache_gb=0 fetches it whole"
        )
    if asked := [name for name in ("image_folder", "captions_by_id", "regions_by_id") if entry.get(name)]:
        raise UserError(
            f"{asked[0]} says nothing to a source that is streamed: data.cache_gb=0 fetches it whole"
        )
    cache, opens = ShardCache(int(cache_gb * 1e9)), find_kind(sources(), form, "format")
    return StreamedSource(opens, entry["path"], form, dict(entry.get("columns", {})), cache, held=_HELD)
