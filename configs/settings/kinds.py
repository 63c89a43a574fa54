"""The kinds of objectives, evaluators, hooks, curation steps and selectors that there are, each with its settings."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import pkgutil
from types import ModuleType
from typing import Any

from configs.settings.setting import Check, Setting, Settings, defaults

GROUPS = ("objectives", "evaluators", "hooks", "curation", "selection")


@functools.cache
def kinds(group: str) -> tuple[str, ...]:
    """Returns the registered kinds of a group: its files."""
    return tuple(sorted(file.name for file in pkgutil.iter_modules(_package(group).__path__)))


def kind_file(group: str, kind: str) -> ModuleType:
    """Returns the file of a registered kind."""
    return importlib.import_module(f"{_package(group).__name__}.{kind}")


def with_common(group: str, kind: str, settings: Settings) -> dict[str, Any]:
    """Returns all settings of a kind: those that every entry of the group has, and its own.

    Where its own are a plain value, they change the default of a common one.
    """
    known = Setting(kind, "a registered one, or package.module:Class")
    whole: dict[str, Any] = {"kind": known, **_package(group).COMMON}
    for name, item in settings.items():
        plain = name in whole and not isinstance(item, Setting)
        whole[name] = dataclasses.replace(whole[name], default=item) if plain else item
    return whole


def entries(group: str) -> dict[str, dict[str, Any]]:
    """Returns an entry of each registered kind, called by it, with its defaults: all of them off."""
    return {
        kind: defaults(with_common(group, kind, kind_file(group, kind).SETTINGS)) for kind in kinds(group)
    }


def common_check(group: str) -> Check | None:
    """Returns what checks the settings that every entry of a group has, if anything does."""
    return getattr(_package(group), "check", None)


def _package(group: str) -> ModuleType:
    return importlib.import_module(f"{__package__}.{group}")
