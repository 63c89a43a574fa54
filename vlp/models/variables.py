"""A module's variables as nested dicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def merged(*trees: Mapping[str, Any]) -> dict[str, Any]:
    """Returns one nested dict of all leaves, such as a model's parameters and its other variables."""
    whole: dict[str, Any] = {}
    for tree in trees:
        for name, value in tree.items():
            both = isinstance(value, Mapping) and name in whole
            whole[name] = merged(whole[name], value) if both else value
    return whole
