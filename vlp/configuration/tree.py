"""A config as plain values: nested, for `config.json`, or flat, by dotted path."""

from __future__ import annotations

from typing import Any

from ml_collections import ConfigDict


def to_dict(config: ConfigDict) -> dict[str, Any]:
    """Returns the config as nested dicts of plain values (tuples stay tuples)."""
    return {key: to_dict(value) if isinstance(value, ConfigDict) else value for key, value in config.items()}


def flatten(config: ConfigDict) -> dict[str, Any]:
    """Returns every leaf by its dotted path, such as `optimizer.schedule.name`; an empty group is a leaf, {}."""
    leaves: dict[str, Any] = {}
    for key, value in config.items():
        if not isinstance(value, ConfigDict):
            leaves[key] = value
        elif not value:
            leaves[key] = {}
        else:
            leaves |= {f"{key}.{path}": leaf for path, leaf in flatten(value).items()}
    return leaves
