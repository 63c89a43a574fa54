"""From the labels of a data set to names that fit into a prompt."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence


def category_name(label: str) -> str:
    """Read a category path from its narrowest part: 'furniture/living room' is 'living room, furniture'.

    The wider parts stay, because a narrow one alone ('office', 'music', 'other') may belong to several.
    """
    parts = (re.sub(r"[-_\s]+", " ", part).strip() for part in reversed(label.split("/")))
    return ", ".join(part for part in parts if part)


def category_names(labels: Sequence[str]) -> list[str]:
    """`category_name` of distinct labels; those that would share a name, or have none, keep their label."""
    names = [category_name(label) for label in labels]
    count = Counter(names)
    return [name if name and count[name] == 1 else label for name, label in zip(names, labels, strict=True)]


def verbatim_names(labels: Sequence[str]) -> list[str]:
    """Labels that already are names."""
    return list(labels)


_RULES: dict[str, Callable[[Sequence[str]], list[str]]] = {
    "category": category_names,
    "verbatim": verbatim_names,
}


def naming_rule(name: str) -> Callable[[Sequence[str]], list[str]]:
    """The rule of that name, from distinct labels to as many distinct class names.

    Raises:
        ValueError: no such rule.
    """
    if name not in _RULES:
        raise ValueError(f"there is no class naming rule {name!r}: take one of {', '.join(sorted(_RULES))}")
    return _RULES[name]
