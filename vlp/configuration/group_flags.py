"""Flags that set a whole group with a Python dict: new entries, or all of them, before flags of single leaves."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from vlp.configuration.entries import EXAMPLES, OPEN_GROUPS, SOURCES
from vlp.configuration.errors import ConfigError
from vlp.configuration.flag_types import holds_dict

OVERRIDE = re.compile(r"--?(?:no)?config\.([^=]+)")
_GROUPS = "|".join(map(re.escape, OPEN_GROUPS))
_GROUP = re.compile(rf"({_GROUPS})(\.\w+)?|({'|'.join(map(re.escape, SOURCES))})\.\w+\.columns")


def apply_group_flags(config: ConfigDict, arguments: Sequence[str]) -> list[str]:
    """Applies the flags that set groups and entries, in their order, and returns the other arguments.

    Raises:
      ConfigError: a value is no dict.
    """
    rest: list[str] = []
    remaining = iter(arguments)
    for argument in remaining:
        name, equals, value = argument.partition("=")
        match = OVERRIDE.fullmatch(name)
        if match is None or not sets_group(match[1]):
            rest.append(argument)
            continue
        path = match[1]
        text = value if equals else next(remaining, "")
        _set(config, path, _parsed(path, text))
    return rest


def sets_group(path: str) -> bool:
    """Says whether a path is that of a group of entries, or of one entry, which a dict sets as a whole."""
    return bool(_GROUP.fullmatch(path))


def _set(config: ConfigDict, path: str, value: dict[str, Any]) -> None:
    holder, _, name = path.rpartition(".")
    group = config
    for part in filter(None, holder.split(".")):
        if part not in group:
            raise ConfigError(f"--config.{path}: there is no {part} in {holder}; there is {', '.join(group)}")
        group = group[part]
    with group.unlocked(), group.ignore_type():
        group[name] = ConfigDict(value)


def _parsed(path: str, text: str) -> dict[str, Any]:
    group, name = _split(path)
    if group in SOURCES and not text.lstrip().startswith(("{", "dict(")) and text.strip():
        entry = {"path": text.strip()}
        return entry if name else {_name_of(text): entry}
    try:
        value = ast.literal_eval(text)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        value = None
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        example = EXAMPLES[group] if name else f"{{'mine': {EXAMPLES[group]}}}"
        raise ConfigError(
            f'--config.{path}={text[:200]} is no Python dict with names as keys, such as "{example}"'
        )
    return _plain(path, value)


def _plain(path: str, value: dict[str, Any]) -> dict[str, Any]:
    """Refuses dicts inside tuples and lists, which a config cannot hold."""
    for item in _values(value):
        if holds_dict(item):
            raise ConfigError(f"--config.{path}: {item!r} has a dict inside a list, which no setting takes")
    return value


def _values(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _values(item)
    else:
        yield value


def _split(path: str) -> tuple[str, str]:
    """The group, and the name of the entry in it or ''."""
    group = max((group for group in OPEN_GROUPS if f"{path}.".startswith(f"{group}.")), key=len)
    return group, path[len(group) + 1 :]


def _name_of(path: str) -> str:
    """A name for the source that lies at a path."""
    return re.sub(r"\W+", "_", Path(path.split("?")[0]).stem).strip("_") or "source"
