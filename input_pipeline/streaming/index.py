"""Which shards an address stands for, and how many records each holds: found out once, and kept beside the data.

A format may say so itself, as Parquet does in a file's last bytes. Others have to be read once; one process does that
best, before many start. Where the bucket takes no object, what was found out is kept in the cache folder.
"""

from __future__ import annotations

import contextlib
import fnmatch
import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from input_pipeline.addresses import redacted
from input_pipeline.buckets import Bucket, BucketError, Version
from input_pipeline.errors import UnreadableFile, UserError
from input_pipeline.sources.cache import cache_folder
from input_pipeline.whole_files import write_whole

INDEX = "vlp-shards.json"
_THREADS = 16
KEPT = 256  # shards whose numbers are kept at a time, so that a process that dies has not read them in vain
_PATTERN = frozenset("*?[")


class Shard(NamedTuple):
    """Names a file of records in a bucket.

    Attributes:
      name: below the bucket's folder.
      size: in bytes.
      tag: the server's, of this content.
      records: that it holds.
    """

    name: str
    size: int
    tag: str
    records: int


def shards_at(
    address: str, suffix: str, count: Callable[[Bucket, str, Version], int]
) -> tuple[Bucket, list[Shard]]:
    """Returns the folder that an address leads to, and its shards in the order of their names.

    Args:
      address: of a file, a folder or a pattern.
      suffix: that names of shards end with.
      count: finds out how many records one holds.

    Raises:
      ValueError: there is no shard, none that can be read, or counting fails for a reason of its own.
    """
    bucket, there = _listed(address, suffix)
    known = _known(bucket)
    missing = [
        name for name, version in there.items() if known.get(name, ())[:2] != (version.size, version.tag)
    ]
    counted: dict[str, int] = {}
    with ThreadPoolExecutor(_THREADS) as pool:
        for start in range(0, len(missing), KEPT):
            some = missing[start : start + KEPT]
            found = pool.map(lambda name: _tried(count, bucket, name, there[name]), some)
            counted |= zip(some, found, strict=True)
            # What could not be read today is looked at again.
            read = {name: (*there[name][:2], records) for name, records in counted.items() if records}
            _keep(bucket, {**known, **read})
    shards = [
        Shard(name, version.size, version.tag, counted[name] if name in counted else int(known[name][2]))
        for name, version in there.items()
    ]
    if not any(one.records for one in shards):
        raise UserError(f"{redacted(address)}: none of its {len(shards)} shards can be read")
    return bucket, [one for one in shards if one.records]


def _listed(address: str, suffix: str) -> tuple[Bucket, dict[str, Version]]:
    folder, pattern = address.rstrip("/"), "*"
    if folder.endswith(suffix) or _PATTERN & set(folder.rpartition("/")[2]):
        folder, _, pattern = folder.rpartition("/")
    bucket = Bucket(folder)
    try:
        found = {
            name: version
            for name, version in sorted(bucket.versions().items())
            if "/" not in name and name.endswith(suffix) and fnmatch.fnmatchcase(name, pattern)
        }
    except OSError as error:
        raise UserError(str(error)) from error
    if not found:
        raise UserError(f"{redacted(address)}: there is no object whose name ends with {suffix}")
    return bucket, found


def _tried(count: Callable[[Bucket, str, Version], int], bucket: Bucket, name: str, version: Version) -> int:
    """As `count`; 0 for a shard that cannot be read, which is left out."""
    try:
        return count(bucket, name, version)
    except UnreadableFile as error:
        logging.getLogger(__name__).warning("%s/%s is left out: %s", bucket.address, name, error)
        return 0


def _known(bucket: Bucket) -> Mapping[str, tuple[int, str, int]]:
    """What was found out before: size, tag and records of each shard."""
    for read in (lambda: bucket.read(INDEX), _beside(bucket).read_bytes):
        with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
            found = json.loads(read()).items()
            return {name: (size, tag, records) for name, (size, tag, records) in found if records}
    return {}


def _keep(bucket: Bucket, found: Mapping[str, tuple[int, str, int]]) -> None:
    content = json.dumps(found, indent=0, sort_keys=True).encode()
    try:
        bucket.write(INDEX, content)
    except BucketError:
        with contextlib.suppress(OSError):
            write_whole(_beside(bucket), content)


def _beside(bucket: Bucket) -> Path:
    return cache_folder("index") / f"{hashlib.sha256(bucket.address.encode()).hexdigest()}.json"
