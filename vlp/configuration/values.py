"""Which values each setting may have, taken by itself: its type, its choices and its range."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from configs.settings.setting import Setting
from vlp.configuration.errors import ConfigError, nearest

LARGEST = 2**63  # of whole numbers, which arrays take as 64 bits at most


def check_values(leaves: Mapping[str, Any], settings: Mapping[str, Setting]) -> None:
    """Checks every setting.

    Args:
      leaves: the flattened config.
      settings: by path: `vlp.configuration.schema.settings_of` the same config.

    Raises:
      ConfigError: a value that is not allowed, or a setting that the config lacks.
    """
    for path, setting in settings.items():
        if path not in leaves:
            raise ConfigError(f"the config has no {path}: start a config file from configs.base.get_config()")
        value = leaves[path]
        if said := problem(value, setting.default):
            raise ConfigError(f"{path}={value!r} {said}")
        if not setting.allows(value):
            raise _refused(path, value, setting)


def problem(value: Any, default: Any) -> str:
    """Returns what is wrong with the type of a value that stands in a default's place; '' if nothing is."""
    kind = type(default)
    if type(value) is int and abs(value) >= LARGEST:
        return "is beyond what 64 bits hold"
    if kind is float and type(value) in (float, int):
        return "" if math.isfinite(value) else "must be a finite number"
    if kind is dict:
        return "" if isinstance(value, Mapping | ConfigDict) else "must be a dict"
    return (
        "" if type(value) is kind or (kind is tuple and type(value) is list) else f"must be a {kind.__name__}"
    )


def _refused(path: str, value: Any, setting: Setting) -> ConfigError:
    if not setting.choices:
        return ConfigError(f"{path}={value} must be {setting.limits()}: set it with --config.{path}=...")
    near = nearest(str(value), [choice for choice in setting.choices if choice])
    hint = f"; did you mean '{near}'?" if near else ""
    return ConfigError(f"{path}='{value}' is not one of {', '.join(map(repr, setting.choices))}{hint}")
