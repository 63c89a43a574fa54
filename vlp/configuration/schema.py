"""The settings that a config has, with their ranges and meanings: those of base.py and those of its entries."""

from __future__ import annotations

from typing import Any

from configs.base import PARTS, SETTINGS
from configs.settings import run
from configs.settings.data import VIEWS
from configs.settings.kinds import GROUPS, common_check
from configs.settings.setting import Setting, leaves
from vlp.configuration.entries import groups, settings_of_entry
from vlp.configuration.errors import ConfigError
from vlp.configuration.parts import find_part
from vlp.configuration.tree import flatten
from vlp.configuration.values import check_values
from vlp.models.families import check_ability


def settings_of(config: Any) -> dict[str, Setting]:
    """Returns every setting by its path.

    Args:
      config: with its entries complete.
    """
    found = dict(leaves(SETTINGS))
    for where, entries in groups(config):
        for name, entry in entries.items():
            settings = settings_of_entry(where, name, entry)
            said = {key: settings[key] for key in entry if key in settings}
            found |= leaves(said, f"{where}.{name}")
    for group, settings in VIEWS.items():
        for name, view in config.get("data", {}).get(group, {}).items():
            found |= {f"data.{group}.{name}.{key}": settings[key] for key in view if key in settings}
    return found


def check_model(config: Any) -> None:
    """Checks type, choice and range of every setting of the model: of a checkpoint's config, which no flag has set.

    Raises:
      ConfigError: a value that is not allowed.
    """
    found = leaves({"model": SETTINGS["model"]})
    check_values(flatten(config), dict(found))


def check_parts(config: Any) -> None:
    """Checks what the settings of each part have to agree with.

    Raises:
      ConfigError: they do not; the message names the entry.
    """
    try:
        run.check(config)
        for name, part in PARTS.items():
            if hasattr(part, "check"):
                part.check(config[name], config, name)
        for group in GROUPS:
            for name, entry in config[group].items():
                _check_entry(group, name, entry, config)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _check_entry(group: str, name: str, entry: Any, config: Any) -> None:
    where = f"{group}.{name}"
    part = find_part(group, entry.kind, where)
    if entry.get("weight", True):
        for tower, ability in part.asks.items():
            check_ability(tower, config.model[tower], ability, where)
    for check in (common_check(group), part.check):
        if check is not None:
            check(entry, config, where)
