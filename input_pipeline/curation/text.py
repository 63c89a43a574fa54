"""Which captions of a record a step reads, and the words in them."""

from __future__ import annotations

import itertools
import re
import string
from collections.abc import Sequence

from input_pipeline.records import Record

_PUNCTUATION = frozenset(",.;:?!`")
_WORD = re.compile(r"\w+")
_EMPTY = frozenset(
    ("a", "an", "the", "of", "in", "on", "at", "by", "to", "for", "with", "and", "or", "is", "are")
)
_APART = str.maketrans({**{mark: f" {mark} " for mark in _PUNCTUATION}, **dict.fromkeys("\t\n\r", " ")})
# Where MetaCLIP 2 wants no space beside an entry: Thai, Lao, Tibetan, Burmese, Khmer and Chinese characters (kana are
# none of them, as in the authors' code), and punctuation.
_UNSPACED = re.compile(
    "[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fdf\u2ff0-\u2fff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0002a6df\U0002a700-\U0002ebef"
    f"{re.escape(string.punctuation)}，。、；：？！“”‘’（）【】《》〈〉「」『』～—]"  # noqa: RUF001
)


def texts_of(record: Record, kinds: Sequence[str]) -> list[str]:
    """Returns a record's captions of some kinds; () = all."""
    return [caption.text for caption in record.captions if not kinds or caption.kind in kinds]


def spaced(text: str) -> str:
    """Returns a text between spaces, with spaces around punctuation, as MetaCLIP looks for entries in it.

    Nothing else changes: no capital becomes a small letter, no run of spaces one space.
    """
    return f" {text.translate(_APART)} "


def between_spaces(entry: str) -> str:
    """Returns an entry between spaces (MetaCLIP)."""
    return f" {entry} "


def spaced_by_script(entry: str) -> str:
    """Returns an entry with a space on each side that ends in a script which is written with spaces (MetaCLIP 2)."""
    before, after = ("" if _UNSPACED.match(end) else " " for end in (entry[0], entry[-1]))
    return f"{before}{entry}{after}"


def words(text: str) -> list[str]:
    """Returns the unigrams of a text: what white space separates, in small letters."""
    return text.lower().split()


def pairs(some: Sequence[str]) -> list[str]:
    """Returns the bigrams of a list of words, each with a space between."""
    return [f"{first} {second}" for first, second in itertools.pairwise(some)]


def words_between_punctuation(text: str) -> list[list[str]]:
    """Returns the runs of words of a text that no punctuation parts, as they are written."""
    runs: list[list[str]] = [[]]
    for word in spaced(text).split():
        if word in _PUNCTUATION:
            runs.append([])
        else:
            runs[-1].append(word)
    return [run for run in runs if run]


def plain(text: str) -> str:
    """Returns the words of a text in small letters with a space between, without punctuation."""
    return " ".join(_WORD.findall(text.lower()))


def content_words(text: str) -> set[str]:
    """Returns the words of a text in small letters, without articles and such."""
    return {*_WORD.findall(text.lower())} - _EMPTY


def joined(parts: Sequence[str]) -> str:
    """Returns an enumeration: 'a, b and c'."""
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))


def mentions(text: str, names: Sequence[str]) -> list[tuple[int, int, str]]:
    """Returns where names stand in a text as words of their own, capitals or not: (first, end, name), in order.

    Of names that overlap, the longest of those that begin first counts.
    """
    if not names:
        return []
    longest = sorted(names, key=lambda name: (-len(name), name))
    lower = {name.lower(): name for name in reversed(longest)}
    pattern = "|".join(map(re.escape, sorted(lower, key=lambda name: (-len(name), name))))
    found = re.finditer(rf"(?<!\w)(?:{pattern})(?!\w)", text, re.IGNORECASE)
    return [(match.start(), match.end(), lower.get(match[0].lower(), match[0])) for match in found]
