"""WebDataset tar shards (as img2dataset writes them) as random access to Records.

The first time a shard is seen, its headers are walked and the place of each sample is remembered in the cache
folder. A sample is then one read. Members stay in memory; links, devices and folders are passed over.

- A sample is a run of neighbours with one key, which ends at the first dot: of `img.v1.0001.jpg` the key is
  `img` and the extension `v1.0001.jpg`. An extension that comes again begins another sample, so that
  interleaved samples come out incomplete and are counted as bad, never mixed.
- The keys of a .json member stand beside the other members, which come first where they share a name. A .json
  that cannot be parsed makes its sample a bad record.
- The id of a record is its shard and its key, `00000/000000123`; of shards that share a name in several folders, with
  these before it.
- Damage is one bad record in its place, together with the sample it cuts into; reading goes on at the next
  header. Compressed archives are refused: they have no random access.
"""

from __future__ import annotations

import copy
import functools
import itertools
import json
import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from input_pipeline.errors import UnreadableFile
from input_pipeline.records import BadRecord, Reason, Record
from input_pipeline.sources import tar
from input_pipeline.sources.cache import Index, cached_index
from input_pipeline.sources.columns import (
    Columns,
    alternatives,
    check_columns,
    image_bytes,
    make_record,
    only_fields,
    pick,
    resolve_columns,
)
from input_pipeline.sources.files import open_file
from input_pipeline.sources.paths import find_files
from input_pipeline.sources.shards import FileVersion, Shards, examine

FORMATS = {"webdataset": "WebDatasetSource"}
SUFFIXES = {".tar": "webdataset"}
STREAMED = True

COLUMNS = Columns(
    image="jpg|jpeg|png|webp|gif|bmp|tif|tiff|jfif|jpe|avif|ppm|pgm|pbm|pnm",
    captions="captions|txt|caption|text",
    label="cls|label|category",
    group="group|concept",
)
_AT_ONCE = 1 << 22  # a sample up to this size is read whole, of a larger one only what is asked for


class WebDatasetSource:
    """Records of one or many tar files, in the order of file names and members."""

    def __init__(self, path: str, columns: Mapping[str, str] | None = None) -> None:
        """Indexes the shards, or finds their indexes in the cache.

        Args:
          path: a file, a folder, a pattern or an address.
          columns: extensions of members or keys of the .json member.

        Raises:
          ValueError: no such path, no readable shard, or a name that the first samples do not have.
        """
        self._columns = resolve_columns(columns or {}, COLUMNS)
        self._wanted = _wanted(self._columns)
        files = find_files(path, ".tar")
        self._names = _names(files)
        self._shards = Shards(examine(files, lambda file: len(_places(file))))
        check_columns(path, lambda index: self._sample(index)[1], len(self), self._columns, columns or {})

    def __len__(self) -> int:
        return len(self._shards)

    def in_order(self, fields: Collection[str]) -> WebDatasetSource:
        """Returns the same records with some of their fields."""
        other = copy.copy(self)
        other._columns = only_fields(self._columns, fields)
        other._wanted = _wanted(other._columns)
        return other

    def digest(self) -> str:
        """Returns a few letters for what the files hold."""
        return self._shards.digest()

    def __getitem__(self, index: int) -> Record:
        key, sample = self._sample(index)
        values = pick(sample, self._columns)
        image = image_bytes(values.get("image"))
        return make_record(values, language=self._columns.language, default_id=key, image=image)

    def _sample(self, index: int) -> tuple[str, dict[str, Any]]:
        file, place = self._shards.locate(index)
        first, end = _places(file)[place].tolist()
        if first < 0:
            raise BadRecord(Reason.UNREADABLE, f"{file.path} is damaged from byte {~first} to {end}")
        read = open_file(file).read
        if end - first <= _AT_ONCE:
            read = functools.partial(_slice, read(first, end - first), first)
        key, members = tar.sample_members(read, first, end)
        sample: dict[str, Any] = {}
        if "json" in members:
            sample = _parse(read(members["json"].start, members["json"].size), f"{key} in {file.path}")
        for extension, member in members.items():
            if extension in self._wanted:
                sample[extension] = read(member.start, member.size)
            elif extension != "json":
                sample.setdefault(extension, None)  # there, and not asked for
        return f"{self._names.get(file.path) or Path(file.path).stem}/{key}", sample


def _names(files: Sequence[Path]) -> dict[str, str]:
    """What shards are called in ids, where their own names are not enough: by the folders that tell them apart."""
    counts = Counter(file.stem for file in files)
    if max(counts.values()) == 1:
        return {}
    common = os.path.commonpath([file.absolute().parent for file in files])
    return {str(file.absolute()): str(file.absolute().relative_to(common).with_suffix("")) for file in files}


def _wanted(columns: Columns) -> frozenset[str]:
    """The names that fields of a record may have in a sample."""
    return frozenset(itertools.chain(*(names for _, names in alternatives(columns))))


def _slice(data: bytes, first: int, offset: int, length: int) -> bytes:
    return data[offset - first : offset - first + length]


def _parse(data: bytes, where: str) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadRecord(Reason.UNREADABLE, f"the .json of {where}: {error}") from None
    return value if isinstance(value, dict) else {"json": value}


def _places(file: FileVersion) -> Index:
    return cached_index("tar 1", 2, file, _index)


def _index(file: FileVersion) -> Index:
    """(first byte, end) of each sample; of damage, the first byte's complement.

    Raises:
      ValueError: the file is no tar archive.
    """
    read = open_file(file).read
    start = read(0, tar.BLOCK)
    if start[:2] == b"\x1f\x8b":
        raise UnreadableFile(
            f"{file.path} is compressed, which rules out random access: unpack it with gunzip first"
        )
    if any(start) and not tar.is_header(start):
        raise UnreadableFile(f"{file.path} is no tar archive: it starts with {start[:16]!r}")
    if not start:
        raise UnreadableFile(f"{file.path} is empty: a tar archive without members has at least 1024 bytes")
    rows = [(first if sound else ~first, end) for first, end, sound in tar.samples(read, file.size)]
    return np.array(rows, np.int64).reshape(-1, 2)
