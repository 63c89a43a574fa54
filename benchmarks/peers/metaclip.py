"""MetaCLIP's two steps as its repository describes them (arXiv 2309.16671, algorithm 1), in plain Python.

A text gets spaces around punctuation and at both ends, every entry is looked for with a space on each side, and a text
stays once a draw is below the probability of one of its entries. `matched` asks for each entry in turn; with
pyahocorasick (`pip install pyahocorasick`), `automaton` finds all at once, as the repository's faster variant does.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import numpy as np

Match = Callable[[str], list[int]]


def _spaced(text: str) -> str:
    whole = f" {text} "
    for mark in ",.;:?!`":
        whole = whole.replace(mark, f" {mark} ")
    for blank in "\t\n\r":
        whole = whole.replace(blank, " ")
    return whole


def matched(entries: Sequence[str]) -> Match:
    """Returns what finds the entries of a text, one after the other."""
    wanted = [f" {entry} " for entry in entries]

    def match(text: str) -> list[int]:
        whole = _spaced(text)
        return [number for number, entry in enumerate(wanted) if entry in whole]

    return match


def automaton(entries: Sequence[str]) -> Match | None:
    """Returns what finds them by pyahocorasick; None where that is not installed."""
    try:
        import ahocorasick
    except ImportError:
        return None
    machine = ahocorasick.Automaton()
    for number, entry in enumerate(entries):
        machine.add_word(f" {entry} ", number)
    machine.make_automaton()
    return lambda text: list({number for _, number in machine.iter(_spaced(text))})


def curated(texts: Sequence[str], match: Match, entries: int, t: int) -> int:
    """Matches, counts and balances; returns how many texts stay."""
    found = [match(text) for text in texts]
    counts = np.zeros(entries, np.uint64)
    for own in found:
        for entry in own:
            counts[entry] += 1
    counts[counts < t] = t
    probabilities = t / counts
    return sum(any(random.random() < probabilities[entry] for entry in own) for own in found)
