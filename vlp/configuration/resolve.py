"""Fills in what a config file, or an older checkpoint, leaves out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from configs.base import get_config
from configs.settings.kinds import GROUPS
from configs.settings.setting import defaults
from vlp.configuration.entries import COMPLETED, OPEN_GROUPS, complete_entries, settings_of_entry
from vlp.configuration.errors import ConfigError
from vlp.configuration.tree import to_dict

# What older versions had by default, and would be refused now -> what means the same.
SAID_OTHERWISE = {
    "optimizer.weight_decay_rules": {
        "(bias|scale|position|class_token|logit_scale)$ = 0; .* = 1": "(bias|scale|position|class_token|logit_scale)$ "
        "?= 0; .* = 1",
    }
}


def resolve(config: ConfigDict) -> ConfigDict:
    """Returns a copy with every entry complete.

    Raises:
      ConfigError: an entry has an unknown kind or key, or a value of another type.
    """
    resolved = config.copy_and_resolve_references()
    complete_entries(resolved)
    return resolved


def completed(saved: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a checkpoint's config with the settings that have come since, at their defaults, which switch them off.

    Args:
      saved: a resolved config as plain values. Of entries whose kind is somebody else's and not installed here,
        nothing is filled in.

    Raises:
      ConfigError: something else stands in the place of a group of settings.
    """
    base = to_dict(get_config())
    _check_groups(base, saved, "")
    for group in OPEN_GROUPS:
        _, holder, name = _holder(base, group)
        _, there, _ = _holder(saved, group)
        if name in there:
            kept = holder[name] if group in GROUPS else {}
            holder[name] = {key: entry for key, entry in kept.items() if key not in there[name]}
    whole = _overlay(base, _tuples(saved))
    for path, values in SAID_OTHERWISE.items():
        _, holder, name = _holder(whole, path)
        holder[name] = values.get(holder[name], holder[name])
    for group in COMPLETED:
        _, holder, name = _holder(whole, group)
        _check_groups({key: {} for key in holder[name]}, holder[name], f"{group}.")
        holder[name] = {key: _filled(group, key, entry) for key, entry in holder[name].items()}
    return whole


def _check_groups(base: Mapping[str, Any], saved: Mapping[str, Any], where: str) -> None:
    for key, item in base.items():
        if isinstance(item, Mapping) and key in saved:
            if not isinstance(saved[key], Mapping):
                raise ConfigError(f"{where}{key}={saved[key]!r} is no group of settings")
            _check_groups(item, saved[key], f"{where}{key}.")


def _holder(config: Mapping[str, Any], group: str) -> tuple[str, Any, str]:
    outer, _, name = group.rpartition(".")
    return outer, config.get(outer, {}) if outer else config, name


def _filled(group: str, name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return _overlay(defaults(settings_of_entry(group, name, entry)), entry)
    except ConfigError:
        return dict(entry)


def _tuples(value: Any) -> Any:
    """Without the lists that JSON makes of tuples: a FrozenConfigDict takes no empty list beside an empty tuple."""
    if isinstance(value, Mapping):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _overlay(default: Mapping[str, Any], saved: Mapping[str, Any]) -> dict[str, Any]:
    """What is saved, over defaults where it says nothing."""
    whole = {**default, **saved}
    for key, item in default.items():
        if isinstance(item, Mapping) and isinstance(saved.get(key), Mapping):
            whole[key] = _overlay(item, saved[key])
    return whole
