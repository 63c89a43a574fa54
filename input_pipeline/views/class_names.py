"""From the labels of a data set to names that fit into a prompt."""

from __future__ import annotations

import functools
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from importlib import resources
from typing import TypeAlias

from input_pipeline.errors import UserError

NamingRule: TypeAlias = Callable[[Sequence[str]], list[str]]


def category_name(label: str) -> str:
    """Reads a category path from its narrowest part: 'furniture/living room' is 'living room, furniture'.

    The wider parts stay, because a narrow one alone ('office', 'music', 'other') may belong to several.
    """
    parts = (re.sub(r"[-_\s]+", " ", part).strip() for part in reversed(label.split("/")))
    return ", ".join(part for part in parts if part)


def category_names(labels: Sequence[str]) -> list[str]:
    """Names distinct labels by `category_name`; those that would share a name, or have none, keep their label."""
    names = [category_name(label) for label in labels]
    count = Counter(names)
    return [name if name and count[name] == 1 else label for name, label in zip(names, labels, strict=True)]


def verbatim_names(labels: Sequence[str]) -> list[str]:
    """Labels that already are names."""
    return list(labels)


_RULES: dict[str, NamingRule] = {"category": category_names, "verbatim": verbatim_names}
_FOLDER = resources.files("input_pipeline.views") / "names"


def naming_rule(name: str) -> NamingRule:
    """Returns the rule of that name, from distinct labels to as many class names.

    Beside 'category' and 'verbatim', the name of a table in names/ ('imagenet', by WordNet id), or the path of a .json
    of that form: {"names": {label: name}}. A label of a table whose own are no numbers may also be the class's number,
    from 0.

    Raises:
        ValueError: no such rule or table.
    """
    if name in _RULES:
        return _RULES[name]
    tables = {file.name.removesuffix(".json"): file for file in _FOLDER.iterdir()}
    if name in tables:
        return functools.partial(_look_up, name, tables[name].read_text(encoding="utf-8"))
    if not name.endswith(".json"):
        known = ", ".join(sorted({*_RULES, *tables}))
        raise UserError(f"there is no class naming rule {name!r}: take one of {known}, or a .json file")
    from input_pipeline.sources.paths import find_files  # evaluators that look up none load no source

    try:
        file = find_files(name, ".json")[0]
    except ValueError as error:
        raise UserError(f"there are no class names at '{name}': {error}") from None
    return functools.partial(_look_up, name, file.read_text(encoding="utf-8-sig"))


def class_numbers(table: str, labels: Sequence[str]) -> list[int]:
    """Returns the places of labels in a table of class names; a label may be the number itself.

    Args:
      table: its name in names/, or a .json of that form.
      labels: of classes.

    Raises:
      ValueError: no such table, or a label that it does not have.
    """
    rule = naming_rule(table)
    if not isinstance(rule, functools.partial):
        raise UserError(f"{table!r} is a rule and no table of class names, whose order would number them")
    names = _names(*rule.args)
    rule(labels)  # which refuses what it does not know
    places = {label: place for place, label in enumerate(names)}
    return [places[label] if label in places else int(label) for label in labels]


@functools.lru_cache(1 << 16)
def label_name(rule: str, label: str) -> str:
    """Returns the name of one label by the rule of that name; '' where the rule knows no such label."""
    try:
        return naming_rule(rule)([label])[0]
    except ValueError:
        return ""


def _names(table: str, content: str) -> dict[str, str]:
    try:
        names = json.loads(content)["names"]
        if names and all(isinstance(name, str) and name.strip() for name in names.values()):
            return names
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    raise UserError(f'{table} must hold {{"names": {{label: name}}}}, both texts, of which none is empty')


def _look_up(table: str, content: str, labels: Sequence[str]) -> list[str]:
    names = _names(table, content)
    # Where a table has numbers of its own, counting beside them would name two classes alike, off by one.
    own = [int(label) for label in names if label.isdecimal()]
    counted = enumerate(names.values()) if own in ([], list(range(len(names)))) else ()
    numbered = {str(number): name for number, name in counted}
    if strange := [label for label in labels if label not in names and label not in numbered]:
        raise UserError(
            f"label {strange[0]!r} is no class of {table}: its labels are such as {next(iter(names))!r}, or numbers"
        )
    return [names.get(label, numbered.get(label, "")) for label in labels]
