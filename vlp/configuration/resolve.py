"""Fills in what a config file may leave out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from vlp.configuration.errors import ConfigError, nearest
from vlp.configuration.files import load_config
from vlp.configuration.paths import find
from vlp.configuration.tree import to_dict

# An entry of `data.sources` or `data.evaluation`: what it may say, and what is meant where it does not.
ENTRY_DEFAULTS: dict[str, Any] = {
    "format": "",
    "path": "",
    "weight": 1.0,
    "columns": {},
    "fraction": 1.0,  # of the records; smaller shares lie within larger ones
    "keep_ids": "",  # a file of the ids to keep: text with one a line, or parquet with a column `id`
    "templates": (),  # of texts for its labels; () = those of data.text
    "prefix": "",  # a text before its captions
    "prefix_token": "",  # one of tokenizer.prefix_tokens, before its captions
}


def resolve(config: ConfigDict) -> ConfigDict:
    """Returns a copy with every entry of `data.sources` and `data.evaluation` complete.

    Raises:
      ConfigError: an entry has a key that is none of ENTRY_DEFAULTS, or a value of another type.
    """
    resolved = config.copy_and_resolve_references()
    complete_entries(resolved)
    return resolved


def complete_entries(config: ConfigDict) -> None:
    """Completes them in place: before flags are read, so that each of their keys is one, and after.

    Raises:
      ConfigError: as by `resolve`.
    """
    data = config.get("data", {})
    for group in ("sources", "evaluation"):
        entries = data.get(group, ConfigDict())
        with entries.unlocked():
            for name, entry in entries.items():
                entries[name] = _complete(entry, f"data.{group}.{name}")


def _complete(entry: object, where: str) -> ConfigDict:
    if not isinstance(entry, ConfigDict):
        raise ConfigError(f"{where}={entry!r} must be a group with {', '.join(ENTRY_DEFAULTS)}")
    for key in entry:
        if key not in ENTRY_DEFAULTS:
            near = nearest(key, ENTRY_DEFAULTS)
            hint = f"did you mean '{near}'?" if near else f"use {', '.join(ENTRY_DEFAULTS)}"
            raise ConfigError(f"{where}.{key}: there is no such key; {hint}")
        kind = type(ENTRY_DEFAULTS[key])
        if not isinstance(
            entry[key], (float, int) if kind is float else ConfigDict if kind is dict else kind
        ):
            raise ConfigError(f"{where}.{key}={entry[key]!r} must be a {kind.__name__}")
    complete = ConfigDict(ENTRY_DEFAULTS)
    complete.update(entry)
    return complete


# Groups whose names are the user's own.
OPEN_GROUPS = ("data.sources", "data.evaluation", "data.image_views", "data.text_views", "data.tables")


def completed(saved: Mapping[str, Any]) -> dict[str, Any]:
    """A checkpoint's config with the settings that have come since, at their defaults, which switch them off.

    Args:
      saved: a resolved config as plain values. Where configs/base.py is not at hand it comes back as it is.
    """
    if not find("configs/base.py"):
        return dict(saved)
    whole = _overlay(to_dict(resolve(load_config("configs/base.py"))), _tuples(saved), "")
    for group in ("sources", "evaluation"):
        entries = whole["data"][group]
        whole["data"][group] = {name: {**ENTRY_DEFAULTS, **entry} for name, entry in entries.items()}
    return whole


def _tuples(value: Any) -> Any:
    """Without the lists that JSON makes of tuples: a FrozenConfigDict takes no empty list beside an empty tuple."""
    if isinstance(value, Mapping):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _overlay(defaults: Mapping[str, Any], saved: Mapping[str, Any], where: str) -> dict[str, Any]:
    whole = {**defaults, **saved}
    for key, default in defaults.items():
        path = f"{where}{key}"
        if isinstance(default, Mapping) and isinstance(saved.get(key), Mapping) and path not in OPEN_GROUPS:
            whole[key] = _overlay(default, saved[key], f"{path}.")
    return whole
