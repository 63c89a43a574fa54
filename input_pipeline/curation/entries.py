"""Entries that texts are searched for: read from a file, or found among the words of the texts; and the search."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from input_pipeline.curation.text import (
    between_spaces,
    pairs,
    spaced,
    spaced_by_script,
    words_between_punctuation,
)
from input_pipeline.errors import UserError
from input_pipeline.sources.paths import find_files

SPACINGS: Mapping[str, Callable[[str], str]] = {"all": between_spaces, "scripts": spaced_by_script}


@dataclasses.dataclass(frozen=True)
class Entries:
    """Holds the entries in order, and what was left out of the file.

    Some of them may be unreachable: no text can hold what has punctuation inside, around which texts get spaces
    ("U.S.").

    Attributes:
      blank, repeated: lines that are no entry of their own.
    """

    texts: tuple[str, ...]
    blank: int = 0
    repeated: int = 0

    def unreachable(self, spacing: str) -> int:
        """Counts them, for one of `SPACINGS`."""
        return sum(SPACINGS[spacing](text) not in spaced(text) for text in self.texts)


def read_entries(path: str) -> Entries:
    """Reads a file with an entry a line.

    Raises:
      ValueError: there is no such file, it is not UTF-8, or holds no entry.
    """
    return _read(find_files(path, ".txt")[0])


def read_entries_by_language(path: str) -> dict[str, Entries]:
    """Reads LANGUAGE.txt of a folder for each language that has one.

    Raises:
      ValueError: it is no folder with such files, or as by `read_entries`.
    """
    files = find_files(path, ".txt")
    if not Path(path).is_dir():
        raise UserError(
            f"{path} must be a folder with a file LANGUAGE.txt for each language, as en.txt, and other.txt"
        )
    return {file.stem: _read(file) for file in files}


def _read(file: Path) -> Entries:
    data = file.read_bytes()
    try:
        lines = [line.strip() for line in data.decode("utf-8-sig").split("\n")]
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UserError(
            f"{file} is not UTF-8: byte 0x{data[error.start]:02x} in line {line}; convert it, as with iconv -t UTF-8"
        ) from None
    if lines and not lines[-1]:
        lines.pop()  # behind the last line's end
    texts = dict.fromkeys(filter(None, lines))
    if not texts:
        raise UserError(f"{file} holds no entry: it needs one a line")
    blank = lines.count("")
    return Entries(tuple(texts), blank, len(lines) - blank - len(texts))


def count_words(texts: Sequence[str]) -> dict[str, dict[str, int]]:
    """Counts the words, and the pairs of words beside each other."""
    counts: dict[str, Counter[str]] = {"words": Counter(), "pairs": Counter()}
    for text in texts:
        for run in words_between_punctuation(text):
            counts["words"].update(run)
            counts["pairs"].update(pairs(run))
    return {name: dict(sorted(own.items())) for name, own in counts.items()}


def entries_of_counts(
    words: Mapping[str, int], pairs: Mapping[str, int], least: int, information: float
) -> Entries:
    """Returns, sorted, words of `least` occurrences, and pairs of as many that say more than their words.

    Args:
      words, pairs: with how often they occur.
      least: occurrences of an entry.
      information: of a pair: log2 of how much more often it occurs than its words would meet by chance (pointwise
        mutual information).
    """
    total = sum(words.values())
    chosen = [word for word, count in words.items() if count >= least]
    for pair, count in pairs.items():
        first, second = pair.split(" ")
        if count >= least and math.log2(count * total / (words[first] * words[second])) >= information:
            chosen.append(pair)
    return Entries(tuple(sorted(chosen)))


class Matcher:
    """Finds the entries that a text contains, by one pass over it (Aho and Corasick 1975).

    An entry is contained where it stands, with its spaces, in the `spaced` text, capitals as they are.
    """

    def __init__(self, entries: Sequence[str], spacing: str = "all") -> None:
        """Builds the automaton.

        Args:
          entries: in order of their numbers.
          spacing: of `SPACINGS`, what has to stand beside one.
        """
        import ahocorasick_rs

        self._automaton = ahocorasick_rs.AhoCorasick(list(map(SPACINGS[spacing], entries)))

    def __call__(self, text: str) -> list[int]:
        """Returns the numbers of the entries, each once, ascending."""
        found = self._automaton.find_matches_as_indexes(spaced(text), overlapping=True)
        return sorted({number for number, _, _ in found})
