"""Fills in what a config file may leave out."""

from __future__ import annotations

from ml_collections import ConfigDict

from vlp.configuration.errors import ConfigError, nearest

# An entry of `data.sources` or `data.evaluation`: what it may say, and what is meant where it does not.
ENTRY_DEFAULTS = {
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
    for group in ("sources", "evaluation"):
        entries = resolved.data[group]
        with entries.unlocked():
            for name, entry in entries.items():
                entries[name] = _complete(entry, f"data.{group}.{name}")
    return resolved


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
