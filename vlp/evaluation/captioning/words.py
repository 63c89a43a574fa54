"""Captions as lists of words, as the scorers of captions count them."""

from __future__ import annotations

import re
from collections import Counter

# Runs of letters and digits, with what stands within them; Penn Treebank's clitics are words of their own.
_WORD = re.compile(r"(?:\w(?:[\w./:-]*\w)?)|['\u2019]\w+")
_CLITIC = re.compile(r"(?<=\w)(n['\u2019]t|['\u2019](?:s|re|ve|ll|d|m))\b")

NGram = tuple[str, ...]


def words(text: str) -> list[str]:
    """Cuts a caption into words: lower case, without punctuation, and "don't" as two.

    That is what Stanford's tokenizer of the Penn Treebank gives for everyday captions, with the marks that COCO's
    evaluation leaves out left out; quotes and abbreviations may be cut otherwise.
    """
    spread = _CLITIC.sub(r" \1", text.lower())
    return [word for piece in spread.split() for word in (_clitic(piece) or _WORD.findall(piece))]


def _clitic(piece: str) -> list[str]:
    return [piece] if re.fullmatch(r"n['\u2019]t|['\u2019](?:s|re|ve|ll|d|m)", piece) else []


def ngrams(tokens: list[str], longest: int) -> Counter[NGram]:
    """Counts all runs of 1 to `longest` words."""
    return Counter(
        tuple(tokens[start : start + size])
        for size in range(1, longest + 1)
        for start in range(len(tokens) - size + 1)
    )
