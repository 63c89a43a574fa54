"""From a text to its sentences."""

from __future__ import annotations

import re

# A sentence ends with such a mark (also the Arabic, Urdu and Hindi ones) and what closes around it, before white
# space; Chinese and Japanese marks need no space.
_CLOSING = r"[\"'\u201d\u2019\xbb)\]]*"
_END = re.compile(
    rf"[.!?\u2026\u061f\u06d4\u0964]+{_CLOSING}(?=\s)"
    r"|[\u3002\uff01\uff1f]+[\u201d\u2019\u300d\u300f\uff09]*"
    r"|\n+"
)
_WORD = re.compile(r"[^\s(\[\"']*$")
_ABBREVIATIONS = frozenset(
    ("mr", "mrs", "ms", "dr", "prof", "st", "vs", "e.g", "i.e", "fig", "approx", "ca", "cf")
)


def split_sentences(text: str) -> list[str]:
    """Returns the sentences of a text, in order, with their marks; the text itself if there are none.

    A full stop behind an abbreviation, an initial or inside a number ends none. What has no letter is no
    sentence, such as the numbers of a list.
    """
    parts, start = [], 0
    for end in _END.finditer(text):
        if end[0] == "." and _abbreviated(text[max(start, end.start() - 12) : end.start()]):
            continue
        parts.append(text[start : end.end()])
        start = end.end()
    parts.append(text[start:])
    return [part.strip() for part in parts if any(map(str.isalpha, part))] or [text]


def _abbreviated(before: str) -> bool:
    """Whether the word before a full stop is an abbreviation or a single capital."""
    match = _WORD.search(before)
    word = match[0] if match else ""
    return word.lower() in _ABBREVIATIONS or (len(word) == 1 and word.isupper())
