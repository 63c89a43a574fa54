"""Addresses (https://, s3:// ...): which of them may be shown, and what their names say."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://[^\s'\"<>]+")
_SECRET = "***"


def is_address(path: str) -> bool:
    """Tells an address, which has ://, from a path."""
    return "://" in path


def redacted(text: str) -> str:
    """Returns a text in which the addresses show neither a user and password nor what follows a question mark.

    A signed address carries its signature there: who reads it in a log or a checkpoint could use it.

    >>> redacted("https://me:secret@host/a.tar?sig=abc cannot be fetched")
    'https://***@host/a.tar?*** cannot be fetched'
    """
    return _ADDRESS.sub(lambda found: _without_secrets(found[0]), text)


def _without_secrets(address: str) -> str:
    scheme, _, rest = address.partition("://")
    place, question, query = rest.partition("?")
    if "=" not in query and not scheme.lower().startswith(
        "http"
    ):  # of a bucket's path it stands for any letter
        place, question, query = rest, "", ""
    host, slash, path = place.partition("/")
    if "@" in host:
        host = f"{_SECRET}@{host.rpartition('@')[2]}"
    return f"{scheme}://{host}{slash}{path}" + (f"?{_SECRET}" if question and query else question)


def file_name(address: str) -> str:
    """Returns the last part of an address's path, without query and fragment; '' where it ends in a slash."""
    return urlsplit(address).path.rsplit("/", 1)[-1]
