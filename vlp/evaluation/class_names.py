"""From the labels of a data set to names that fit into a prompt."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Int


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


def labelled_classes(
    name: str, labels: Sequence[str]
) -> tuple[list[str], Int[np.ndarray, " labelled"], Int[np.ndarray, " labelled"]]:
    """Distinct labels of a set, sorted; the rows that have one; the class index of each of those rows.

    Raises:
        ValueError: no row has a label.
    """
    labelled = [row for row, label in enumerate(labels) if label]
    if not labelled:
        raise ValueError(f"evaluation set {name!r} has no labels: take it out of the evaluator's sets")
    classes, indices = np.unique([labels[row] for row in labelled], return_inverse=True)
    return classes.tolist(), np.array(labelled), indices
