"""Objects in buckets (gs://, s3://): the one place that reads, writes, lists and removes them, through obstore.

obstore tries again by itself what a server refuses with 5xx or breaks off; what is left of that is tried again here,
with credentials read anew, for a quarter of an hour, since a run that ends takes longer to come back. So it is where a
token was good and is no more, or is not to be had from a service that is out of order. An object is there whole or not
at all: that is what buckets promise, and folders do not.

Credentials and endpoints are found where the clouds' own tools look: GOOGLE_APPLICATION_CREDENTIALS, a machine's own
account, AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL; STORAGE_EMULATOR_HOST is a server that stands in for Google's.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from input_pipeline.addresses import redacted
from input_pipeline.errors import UserError

SCHEMES = ("gs://", "s3://")
PATIENCE = 900.0  # seconds for which one object is tried, beside what obstore tries itself
HASTE = 0.0  # the same for a process that ends, and shall not keep the next one waiting
PART = 8 << 20  # bytes of a request, of those that are made at once
STRETCH = 32 << 20  # bytes of a large object that are fetched at once
_AT_ONCE = 8
_WAITS = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
_RETRIES = 8  # by obstore itself
_REFUSALS = (
    2  # of a right, or of credentials that were never good: a token may just have run out, but not twice
)
_TOKENS = (
    "token request",
    "/latest/api/token",
    "/latest/meta-data/",
)  # what errors of services of tokens say
_INSIDE = "Debug source"  # begins what obstore shows of its own inside
_admitted: set[tuple[str, str]] = set()  # buckets that have answered to the credentials of this process

Result = TypeVar("Result")


class Version(NamedTuple):
    """Says which content an object has.

    Attributes:
      size: in bytes.
      tag: the server's ETag, another for every content.
      generation: the number that Google's server gave the write; '' elsewhere.
    """

    size: int
    tag: str
    generation: str = ""


class BucketError(OSError):
    """A bucket that does not do what it should, in one line.

    Attributes:
      for_good: a right is lacking, or the bucket: the same command would end in the same.
    """

    def __init__(self, words: str, for_good: bool = False) -> None:
        super().__init__(words)
        self.for_good = for_good


def in_bucket(path: str | os.PathLike[str]) -> bool:
    """Tells whether a path is the address of something in a bucket."""
    return str(path).lower().startswith(SCHEMES)


def joined(address: str, *names: str) -> str:
    """Returns the address of something below another."""
    return "/".join([address.rstrip("/"), *names])


class Bucket:
    """A folder of a bucket. Names are relative to it; there are no folders in it but by the slashes of names.

    Attributes:
      address: of the folder.
      patience: seconds for which one object is tried, None = a quarter of an hour; what is under way hears of a new
        value, too.
    """

    def __init__(self, address: str, patience: float | None = None) -> None:
        """Asks nobody yet.

        Args:
          address: gs://BUCKET/PATH or s3://BUCKET/PATH; '*' in it stands for itself.
          patience: as the attribute.

        Raises:
          ValueError: it names no bucket, or obstore is not installed.
        """
        self.address = address.rstrip("/")
        self.patience = patience
        scheme, _, rest = self.address.partition("://")
        bucket, _, self._prefix = rest.partition("/")
        if not bucket or not in_bucket(address):
            raise UserError(f"{redacted(address)} names no bucket: say gs://BUCKET/PATH or s3://BUCKET/PATH")
        self._place = (scheme.lower(), bucket)
        if _obstore() is None:
            raise UserError(
                f"{redacted(address)}: addresses of buckets need obstore: pip install 'obstore>=0.12'"
            )

    def read(self, name: str) -> bytes:
        """Returns an object's content.

        Raises:
          FileNotFoundError: there is none.
          BucketError: the bucket refuses, or does not answer.
        """
        return self._tried(name, lambda own, store, path: bytes(own.get(store, path).bytes()))

    def read_range(self, name: str, start: int, end: int, tag: str = "") -> bytes:
        """Returns a stretch of an object; raises as `read`.

        Args:
          name: of the object.
          start: first byte.
          end: the one behind the last.
          tag: that the object has to have; '' = any.

        Raises:
          FileExistsError: it has another tag: somebody has replaced it.
        """

        def ask(own: Any, store: Any, path: str) -> bytes:
            try:
                found = own.get(store, path, options={"range": (start, end)})
                there, part = _version(found.meta).tag, bytes(found.bytes())
            except own.exceptions.BaseError:
                if not tag or _version(own.head(store, path)).tag == tag:
                    raise
                there, part = "", b""  # such as one that is shorter now
            if tag and there != tag:
                raise own.exceptions.PreconditionError(f"its tag is not {tag}")
            return part

        return self._tried(name, ask)

    def download(self, name: str, target: Path, there: Version | None = None) -> None:
        """Copies an object into a file, a large one in stretches at once; the file's last name is the caller's to give.

        Args:
          name: of the object.
          target: the file.
          there: the content that it is to have; None = whichever it has.

        Raises:
          FileNotFoundError: there is none.
          FileExistsError: somebody has replaced it meanwhile.
          BucketError: the bucket refuses, or does not answer.
        """
        there = there or self.version(name)
        starts = range(0, there.size, STRETCH)
        with target.open("wb") as file, ThreadPoolExecutor(max(1, min(_AT_ONCE, len(starts)))) as pool:

            def copy(start: int) -> None:
                end = min(start + STRETCH, there.size)
                os.pwrite(file.fileno(), self.read_range(name, start, end, there.tag), start)

            list(pool.map(copy, starts))

    def write(
        self, name: str, content: bytes | Path, *, new: bool = False, instead: Version | None = None
    ) -> Version:
        """Writes an object whole; returns which content it has now.

        Args:
          name: of the object.
          content: or the file that has it.
          new: there may be none yet.
          instead: what it takes the place of; None = whatever is there.

        Raises:
          FileExistsError: there is one, with `new`, or another one than `instead`.
          BucketError: the bucket refuses, or does not answer.
        """
        size = content.stat().st_size if isinstance(content, Path) else len(content)
        mode: Any = "create" if new else "overwrite"
        if instead is not None:
            mode = {"e_tag": f'"{instead.tag}"'} | (
                {"version": instead.generation} if instead.generation else {}
            )

        def put(own: Any, store: Any, path: str) -> Version:
            large = size > PART and mode == "overwrite"
            done = own.put(store, path, content, mode=mode, use_multipart=large, chunk_size=PART)
            return _version({"size": size, **done})

        return self._tried(name, put)

    def versions(self, below: str = "") -> dict[str, Version]:
        """Returns the objects whose names begin with `below/`, by name; '' is all of them. Raises BucketError."""

        def listed(own: Any, store: Any, path: str) -> dict[str, Version]:
            cut = len(self._prefix) + 1 if self._prefix else 0
            found = (one for part in own.list(store, path or None) for one in part)
            return {one["path"][cut:]: _version(one) for one in found}

        return self._tried(below, listed)

    def version(self, name: str) -> Version:
        """Returns which content an object has; raises as `read`."""

        return self._tried(name, lambda own, store, path: _version(own.head(store, path)))

    def remove(self, names: Iterable[str]) -> None:
        """Removes objects, those that are there.

        Raises:
          BucketError: the bucket refuses, or does not answer.
        """
        for name in names:
            try:
                self._tried(name, lambda own, store, path: own.delete(store, path))
            except FileNotFoundError:
                continue

    def _tried(self, name: str, ask: Callable[[Any, Any, str], Result]) -> Result:
        """What a request gives, made again and again where that may help."""
        path = "/".join(part for part in (self._prefix, name) if part)
        began, tries, refusals = time.monotonic(), 0, 0
        while True:
            own, store = _obstore(), _store(*self._place)
            try:
                found = ask(own, store, path)
                _admitted.add(self._place)
                return found
            except (own.exceptions.NotFoundError, FileNotFoundError) as error:
                if any(words in str(error) for words in ("NoSuchBucket", "bucket does not exist")):
                    place = "://".join(self._place)
                    raise BucketError(f"there is no bucket {place}: make it first", True) from error
                raise FileNotFoundError(2, "there is no such object", joined(self.address, name)) from error
            except (own.exceptions.AlreadyExistsError, own.exceptions.PreconditionError) as error:
                raise FileExistsError(17, "another object is there", joined(self.address, name)) from error
            except own.exceptions.BaseError as error:
                refusals += _is_refusal(own, error, self._place in _admitted)
                for_good = refusals >= _REFUSALS
                said = BucketError(f"{redacted(joined(self.address, name))}: {_words(error)}", for_good)
                patience = PATIENCE if self.patience is None else self.patience
                if for_good or time.monotonic() - began >= patience:
                    raise said from error
                logging.warning("%s; it is tried again", said)
                _store.cache_clear()  # credentials are read anew
                time.sleep(_WAITS[min(tries, len(_WAITS) - 1)])
                tries += 1


def _version(found: Any) -> Version:
    return Version(found["size"], (found["e_tag"] or "").strip('"'), found.get("version") or "")


def _is_refusal(own: Any, error: Exception, admitted: bool) -> bool:
    """Whether a right is lacking, or credentials: not those that were good, nor whose service is out of order."""
    if isinstance(error, own.exceptions.PermissionDeniedError):
        return True
    of_tokens, words = (
        isinstance(error, own.exceptions.UnauthenticatedError),
        str(error).partition(_INSIDE)[0],
    )
    of_tokens |= any(said in words for said in _TOKENS) and "status code: 5" not in words
    return of_tokens and not admitted


def _words(error: Exception) -> str:
    """What obstore says, without what it shows of its own inside."""
    return redacted(" ".join(str(error).partition(_INSIDE)[0].split()))[:400]


@functools.cache
def _obstore() -> Any:
    """The library; None where it is not installed."""
    try:
        import obstore
        import obstore.store
    except ImportError:
        return None
    return obstore


@functools.lru_cache(64)
def _store(scheme: str, bucket: str) -> Any:
    """A client of one bucket; processes and threads that come later share it."""
    stores = _obstore().store
    retry = {"max_retries": _RETRIES, "backoff": {"init_backoff": _seconds(0.2), "max_backoff": _seconds(10)}}
    client: dict[str, Any] = {"timeout": "120s", "connect_timeout": "10s", "allow_http": True}
    if scheme == "s3":
        return stores.S3Store(bucket, client_options=client, retry_config=retry)
    config = {}
    if emulator := os.environ.get("STORAGE_EMULATOR_HOST", ""):
        server = emulator if "://" in emulator else f"http://{emulator}"
        account = {"gcs_base_url": server, "disable_oauth": True, "client_email": "", "private_key": ""}
        config = {"service_account_key": json.dumps({**account, "private_key_id": ""})}
    return stores.GCSStore(bucket, config=config, client_options=client, retry_config=retry)


def _seconds(number: float) -> Any:
    import datetime

    return datetime.timedelta(seconds=number)
