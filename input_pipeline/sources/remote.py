"""Remote files by their address, fetched once, whole, into the cache: of buckets by obstore, all others by fsspec.

A file lands under another name and is renamed when it is complete; processes that want the same one wait for the first.
What is in the cache is used without asking whether the original has changed, but for buckets: remove it to fetch anew.
The folder is $VLP_DATA_CACHE, by default $XDG_CACHE_HOME/vlp/data. However long a file takes, it is fetched for as long
as bytes come; a server that is silent for a minute is given up.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from input_pipeline.addresses import file_name, redacted
from input_pipeline.buckets import SCHEMES, in_bucket
from input_pipeline.errors import UserError
from input_pipeline.sources.copies import copy_of
from input_pipeline.sources.from_bucket import fetch_folder, fetch_objects, fetch_place, names_in
from input_pipeline.whole_files import writing_whole

_THREADS = 16
_CHUNK = 1 << 22
_CONNECT_SECONDS, _SILENT_SECONDS = 30.0, 60.0
# Less than this in _SILENT_SECONDS counts as silence: a server that drips a byte now and then never ends.
_FEWEST_BYTES = 1 << 14
_PAGES = (b"<!doctype html", b"<html")  # no data file begins so


class _Silent(OSError):
    """A server from which nothing comes any more."""


def fetch_all(address: str, suffixes: Sequence[str]) -> tuple[Path, ...]:
    """Returns local copies of what an address stands for, in the order of their names.

    Args:
      address: of a file, of a folder (all of its files with a suffix), or a pattern with * where the file system
        can list.
      suffixes: such as ".tar".

    Raises:
      ValueError: there is nothing, it cannot be fetched, or a package is missing. Passwords and signatures in the
        address are not shown.
    """
    try:
        if in_bucket(address):
            return fetch_objects(address, suffixes)
        addresses = _addresses(address, suffixes)
        with ThreadPoolExecutor(_THREADS) as pool:
            return tuple(pool.map(_fetch, addresses))
    except Exception as error:  # every file system of fsspec has errors of its own
        raise _refused(address, error) from None


def fetch_any(address: str) -> list[Path]:
    """Returns local copies of what an address stands for: a file, a folder with all below it, or matches of a pattern.

    Raises:
      ValueError: as by `fetch_all`.
    """
    if not in_bucket(address):
        return list(fetch_all(address, ()))
    try:
        return fetch_place(address)
    except Exception as error:
        raise _refused(address, error) from None


def fetch_below(address: str) -> Path:
    """Returns a local copy of all that lies in a remote folder and its folders.

    Raises:
      ValueError: as by `fetch_all`; or it is in no bucket.
    """
    if not in_bucket(address):
        raise UserError(
            f"{redacted(address)}: folders are fetched from {' and '.join(SCHEMES)}: copy this one here, and name that"
        )
    try:
        return fetch_folder(address)
    except Exception as error:
        raise _refused(address, error) from None


def listed(address: str) -> list[str]:
    """Returns the names of the files in a remote folder.

    Raises:
      ValueError: as by `fetch_all`.
    """
    try:
        if in_bucket(address):
            return names_in(address)
        system, path = _file_system(address)
        return [str(name).rsplit("/", 1)[-1] for name in system.ls(path, detail=False)]
    except Exception as error:
        raise _refused(address, error) from None


def _refused(address: str, error: Exception) -> UserError:
    """What is wrong in one line, without secrets."""
    shown = redacted(address)
    if isinstance(error, UserError):
        return error
    if isinstance(error, ImportError):
        return UserError(f"{shown}: this kind of address needs a package: {error}")
    cause: BaseException | None = error  # fsspec says of every error that the file is not there
    while cause is not None and not isinstance(cause, TimeoutError) and not _of_server(cause):
        cause = cause.__cause__ or cause.__context__
    error = cause if isinstance(cause, Exception) else error
    said = redacted(" ".join(str(error).split()))
    if isinstance(error, TimeoutError):
        said = f"no answer within {_SILENT_SECONDS:.0f} s: is the server up, and may this machine reach it?"
    elif "Cannot connect" in said:
        said += ": is a server running there, and is the port the right one?"
    return UserError(f"{shown} cannot be fetched: {type(error).__name__}: {said}")


def _of_server(error: BaseException) -> bool:
    """Whether an error is what a server did, and not what fsspec made of it."""
    return type(error).__module__.startswith("aiohttp.") or "Cannot connect" in str(error)


def _file_system(address: str) -> tuple[Any, str]:
    import fsspec

    options: dict[str, Any] = {}
    if address.lower().startswith(("http://", "https://")):
        import aiohttp

        # Of its own, a fetch that takes five minutes is given up, however well it goes.
        timeout = aiohttp.ClientTimeout(
            total=None, connect=_CONNECT_SECONDS, sock_connect=_CONNECT_SECONDS, sock_read=_SILENT_SECONDS
        )
        options["client_kwargs"] = {"timeout": timeout}
    system, path = fsspec.core.url_to_fs(address, **options)
    return system, str(path)


def _addresses(address: str, suffixes: Sequence[str]) -> list[str]:
    system, path = _file_system(address)
    if "*" in address:
        found = system.glob(path)
    elif file_name(address).lower().endswith(tuple(suffixes)):
        found = [path]
    elif system.isdir(path):
        found = [
            name for name in system.ls(path, detail=False) if str(name).lower().endswith(tuple(suffixes))
        ]
    else:
        found = [path]
    if not found:
        raise FileNotFoundError(f"no file with {' or '.join(suffixes)} and no match of the pattern")
    return sorted(system.unstrip_protocol(name) for name in found)


def _fetch(address: str) -> Path:
    name = file_name(address.rstrip("/")) or "data"
    return copy_of(address, name, lambda target: _copy(address, target))


def _copy(address: str, target: Path) -> None:
    system, path = _file_system(address)
    with system.open(path, "rb") as source, writing_whole(target) as copy:
        _check_end(source)
        for part in _parts(source):
            if not copy.tell() and part.lstrip()[:14].lower().startswith(_PAGES):
                raise OSError(
                    "the server answers with a web page and not with the file, as where one has to log in or agree "
                    "first: fetch it by other means, and name the local file"
                )
            copy.write(part)
        expected: Any = getattr(source, "size", None)
        if expected is not None and copy.tell() != expected:
            raise OSError(f"{copy.tell()} of {expected} bytes arrived")


def _check_end(source: Any) -> None:
    """Refuses an HTTP answer of which nobody can tell whether it came whole."""
    headers = getattr(getattr(source, "r", None), "headers", None)
    if headers is not None and not {"Content-Length", "Transfer-Encoding"} & set(headers):
        raise OSError(
            "the server says neither how long the file is nor where it ends (no Content-Length), so a copy that "
            "breaks off would pass for a whole one: fetch it by other means, and name the local file"
        )


def _parts(source: Any) -> Iterator[bytes]:
    """What is read, part by part, by a thread that is left behind once nothing comes any more."""
    arrived, began = 0, time.monotonic()
    while part := _read(source):
        yield part
        arrived += len(part)
        waited = time.monotonic() - began
        if waited > _SILENT_SECONDS:
            if arrived < _FEWEST_BYTES:
                raise _Silent(f"only {arrived} bytes came in {waited:.0f} s: the server is stuck")
            arrived, began = 0, time.monotonic()


def _read(source: Any) -> bytes:
    found: list[Any] = []

    def read() -> None:
        try:
            found.append(source.read(_CHUNK))
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=read, name="fetch", daemon=True)
    thread.start()
    thread.join(2 * _SILENT_SECONDS)
    if not found:
        raise _Silent(f"nothing came for {2 * _SILENT_SECONDS:.0f} s: the server is stuck")
    if isinstance(found[0], BaseException):
        raise found[0]
    return bytes(found[0])
