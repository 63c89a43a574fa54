"""What a source delivers: Records, and the reasons why one may be unusable."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any


class Reason(IntEnum):
    """Why a record was replaced or skipped; 0 is a good record. Codes are stable: batches carry them."""

    OK = 0
    UNREADABLE = 1  # the source could not produce the record
    MISSING_IMAGE = 2
    UNDECODABLE = 3  # not an image, truncated, or damaged
    TOO_LARGE = 4  # more pixels than allowed: a decompression bomb
    NO_CAPTION = 5  # none at all, only white space, or none in the wanted languages
    NOT_IN_TABLE = 6  # a side table that the run needs has no value for it


class BadRecord(Exception):
    """A record that cannot be used: it is replaced or skipped, and counted under its reason."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason.name.lower()}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Caption:
    """One text of an image. `kind` is the source's word for it (title, sentence); `language` may be ''."""

    text: str
    kind: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True)
class Region:
    """A part of an image: its box as left, top, right and bottom in [0, 1], and what is known of what it shows."""

    box: tuple[float, float, float, float]
    text: str = ""
    label: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """One example on the host.

    `image` holds encoded bytes; `label` is '' where there is none; `group` names the concept that several
    records may show; `extras` holds what an objective asks for beyond this (cluster ids, scores); `mask` holds an
    encoded picture of class numbers, 0 where there is none of them and 255 where nobody knows. A caption without a
    sign that shows is none, whichever source has it.
    """

    id: str
    image: bytes | None
    captions: tuple[Caption, ...] = ()
    tags: tuple[str, ...] = ()
    label: str = ""
    source: str = ""
    group: str = ""
    extras: Mapping[str, Any] = field(default_factory=dict)
    regions: tuple[Region, ...] = ()
    mask: bytes | None = None

    def __post_init__(self) -> None:
        if not all(map(_shows, self.captions)):
            object.__setattr__(self, "captions", tuple(filter(_shows, self.captions)))


def _shows(caption: Caption) -> bool:
    """Whether a text has more in it than white space and what joins or directs signs, such as U+200B."""
    return any(sign.isprintable() and not sign.isspace() for sign in caption.text)


# What a record has beside its id.
FIELDS = ("image", "captions", "tags", "label", "source", "group", "extras", "regions", "mask")


def clean_text(text: str) -> str:
    """Collapses white space; drop byte-order marks, control characters (NUL too) and lone surrogates."""
    if not text.isprintable():
        text = _NOT_TEXT.sub("", text)
    return " ".join(text.split())


def decode_text(data: bytes) -> str:
    """Decodes text of unknown encoding: UTF-16 if it says so, else UTF-8, else Windows-1252, which is Latin-1 with
    curled quotes and dashes in the place of control characters."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "ignore")
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("cp1252", "latin1_byte")


def _latin1_byte(error: UnicodeError) -> tuple[str, int]:
    """The five bytes that Windows-1252 leaves open."""
    assert isinstance(error, UnicodeDecodeError)
    return error.object[error.start : error.end].decode("latin-1"), error.end


codecs.register_error("latin1_byte", _latin1_byte)
# Control characters except those that are white space, the byte-order mark, surrogates.
_NOT_TEXT = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ufeff\ud800-\udfff]")
