"""Texts that are wrong by a little: words swapped, an attribute replaced, a class that is easily mistaken."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from input_pipeline.errors import UserError
from input_pipeline.records import Record
from input_pipeline.sources.paths import find_files

_WORD = re.compile(r"[^\W\d_]+")
# Words of a group say what another could say in their place (NegCLIP, arXiv 2210.01936; SugarCrepe's "replace").
GROUPS: tuple[tuple[str, ...], ...] = (
    (
        *("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white", "gray"),
        *("grey", "golden", "silver"),
    ),
    ("big", "large", "huge", "small", "little", "tiny"),
    ("long", "short", "tall", "wide", "narrow"),
    ("left", "right"),
    ("up", "down", "upward", "downward"),
    ("above", "below", "behind", "beside", "inside", "outside", "on", "under"),
    ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    ("man", "woman", "boy", "girl", "men", "women"),
    ("open", "closed"),
    ("happy", "sad", "angry", "crying", "smiling"),
    ("light", "medium", "dark"),
    ("new", "old"),
    ("round", "square", "triangular"),
    ("wooden", "metal", "plastic", "glass", "stone"),
    ("north", "south", "east", "west"),
    ("dog", "cat", "bird", "fish", "horse", "cow"),
    ("day", "night"),
    ("first", "last"),
)
_GROUP: Mapping[str, tuple[str, ...]] = {word: group for group in GROUPS for word in group}
# Words that hold a sentence together, which are left where they are.
_SMALL = frozenset(
    {
        "a",
        "an",
        "the",
        "of",
        "in",
        "on",
        "at",
        "to",
        "by",
        "for",
        "with",
        "and",
        "or",
        "is",
        "are",
        "was",
        "were",
    }
    | {
        "be",
        "it",
        "its",
        "this",
        "that",
        "as",
        "from",
        "up",
        "down",
        "has",
        "have",
        "into",
        "out",
        "over",
        "under",
        "s",
    }
)


def swapped(text: str, dice: np.random.Generator, count: int) -> list[str]:
    """Returns the text with two of its words in each other's place, as often as asked; less where there are not so many
    different ones."""
    words = list(_WORD.finditer(text))
    free = [place for place, word in enumerate(words) if word[0].lower() not in _SMALL]
    pairs = [
        (one, other)
        for number, one in enumerate(free)
        for other in free[number + 1 :]
        if words[one][0].lower() != words[other][0].lower()
    ]
    return [
        _with(text, [(words[one], words[other][0]), (words[other], words[one][0])])
        for one, other in _drawn(pairs, dice, count)
    ]


def replaced(text: str, dice: np.random.Generator, count: int) -> list[str]:
    """Returns the text with a colour, number, size, place or the like replaced by another of its kind, likewise."""
    others = [
        (word, other)
        for word in _WORD.finditer(text)
        for other in _GROUP.get(word[0].lower(), ())
        if other != word[0].lower()
    ]
    return [_with(text, [change]) for change in _drawn(others, dice, count)]


def _with(text: str, changes: Sequence[tuple[re.Match[str], str]]) -> str:
    for word, other in sorted(changes, key=lambda change: -change[0].start()):
        text = text[: word.start()] + other + text[word.end() :]
    return text


def _drawn(found: Sequence[Any], dice: np.random.Generator, count: int) -> list[Any]:
    return [found[place] for place in dice.permutation(len(found))[:count]]


@functools.cache
def read_confusable(path: str) -> Mapping[str, Sequence[str]]:
    """Reads what each label is easily mistaken for, as texts, from {label: {"type", "others": [{"name", "text"}]}}.

    Raises:
      ValueError: there is no such file, or it has another form.
    """
    file: Path = find_files(path, ".json")[0]
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        found = {
            label: [other.get("text") or other["name"] for other in entry["others"]]
            for label, entry in content.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"confusable: {file} is not {{label: {{'type': ..., 'others': [{{'name': ..., 'text': ...}}]}}}}: "
            f"{type(error).__name__} {error}"
        ) from None
    if not found:
        raise UserError(f"confusable: {file} has no label")
    return found


RULES: Mapping[str, Callable[[str, np.random.Generator, int], list[str]]] = {
    "swap": swapped,
    "replace": replaced,
}


def foils(
    rule: str, text: str, record: Record, dice: np.random.Generator, count: int, confusable: str = ""
) -> list[str]:
    """Returns wrong texts for a record that is shown with a text; where there are too few, the text itself is there.

    Args:
      rule: names of RULES and 'confusable' with + between: what the first finds comes first.
      text: shown.
      record: whose label is looked up in `confusable`.
      dice: of the draw.
      count: of texts.
      confusable: a file of texts about other labels; '' = none.
    """
    found: list[str] = []
    for name in rule.split("+"):
        if name in RULES:
            found += RULES[name](text, dice, count)
        else:
            found += _drawn(read_confusable(confusable).get(record.label, ()), dice, count)
    found = [other for other in dict.fromkeys(found) if other != text][:count]
    return found + [text] * (count - len(found))
