"""Groups of the config whose names are the user's own, and what an entry of them leaves out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ml_collections import ConfigDict

from configs.settings import frozen
from configs.settings.data import ENTRIES, LABELS, SOURCE, TEXTS, VIEWS
from configs.settings.kinds import GROUPS, kinds
from configs.settings.setting import Settings, defaults
from vlp.configuration.errors import ConfigError, nearest
from vlp.configuration.parts import find_part
from vlp.configuration.values import problem

SOURCES = ("data.sources", "data.evaluation")
# Groups whose entries are all of one kind.
ALIKE: Mapping[str, Settings] = {
    **dict.fromkeys(SOURCES, SOURCE),
    "data.texts": TEXTS,
    "data.labels": LABELS,
    frozen.GROUP: frozen.ENTRY,
}
COMPLETED = (*GROUPS, *ALIKE)
OPEN_GROUPS = (*GROUPS, *(f"data.{name}" for name in ENTRIES), frozen.GROUP)
# An entry of each, as a user writes it.
EXAMPLES = {
    "objectives": "{'kind': 'contrastive', 'weight': 0.5}",
    "evaluators": "{'kind': 'zero_shot', 'final': True, 'sets': ('val',)}",
    "hooks": "{'kind': 'package.module:Class', 'every': 100}",
    "curation": "{'kind': 'where', 'of': 'tags', 'none_of': ('person',)}",
    "selection": "{'kind': 'learnable', 'ratio': 0.8, 'reference': 'teacher'}",
    "data.sources": "{'path': '/data/cc12m', 'format': 'webdataset'}",
    "data.evaluation": "{'path': '/data/val.parquet', 'format': 'parquet'}",
    "data.image_views": "{'count': 2}",
    "data.text_views": "{'count': 2}",
    "data.tables": "{'path': '/data/clusters.parquet'}",
    "data.texts": "{'path': 'labels.json'}",
    "data.labels": "{'path': 'labels.json', 'of': 'tags'}",
    frozen.GROUP: frozen.EXAMPLE,
}


def complete_entries(config: ConfigDict) -> None:
    """Completes entries in place: before flags are read, so that each of their keys is one, and after.

    Of each registered kind of objective and evaluator there is an entry of its name, off where nobody says more.

    Raises:
      ConfigError: an entry has an unknown kind or key, or a value of another type.
    """
    for where, entries in groups(config):
        with entries.unlocked():
            for kind in kinds(where) if where in GROUPS else ():
                if kind not in entries:
                    entries[kind] = ConfigDict()
            for name, entry in entries.items():
                if where in SOURCES and isinstance(entry, str):
                    entry = {"path": entry}
                if isinstance(entry, Mapping) and not isinstance(entry, ConfigDict):
                    with entries.ignore_type():
                        entries[name] = entry = ConfigDict(entry)
                if not isinstance(entry, ConfigDict):
                    raise ConfigError(f"{where}.{name}={entry!r} must be a group such as {EXAMPLES[where]}")
                _complete(entry, settings_of_entry(where, name, entry), f"{where}.{name}")
    _check_differences(config)


def _check_differences(config: ConfigDict) -> None:
    """Entries that stay as they are, since they say only what differs: views, and tables."""
    for group in sorted(set(ENTRIES) & set(config.get("data", {}))):
        for name, entry in config.data[group].items():
            where = f"data.{group}.{name}"
            if not isinstance(entry, ConfigDict):
                raise ConfigError(f"{where}={entry!r} must be a group such as {ENTRIES[group]}")
            settings = VIEWS.get(group, {})
            for key in entry if settings else ():
                if key not in settings:
                    raise _unknown(f"{where}.{key}", key, settings)
                if said := problem(entry[key], settings[key].default):
                    raise ConfigError(f"{where}.{key}={entry[key]!r} {said}")


def groups(config: Any) -> Iterator[tuple[str, Any]]:
    """Yields the groups whose entries are completed, by their paths."""
    for where in COMPLETED:
        outer, _, name = where.rpartition(".")
        holder = config.get(outer, {}) if outer else config
        if name in holder:
            yield where, holder[name]


def settings_of_entry(group: str, name: str, entry: Mapping[str, Any]) -> Settings:
    """Returns what an entry of a group can be told, by its kind.

    Raises:
      ConfigError: there is no such kind.
    """
    if group in ALIKE:
        return ALIKE[group]
    kind = entry.get("kind", "") or name
    return find_part(group, kind, f"{group}.{name}").settings


def _complete(entry: ConfigDict, settings: Settings, where: str) -> None:
    """Fills an entry up; what it says already stays, references included."""
    if "kind" in entry and "kind" not in settings:  # a source's kind is its format
        entry.unlock()
        entry["format"] = entry["kind"]
        del entry["kind"]
    for key in entry:
        if key not in settings:
            raise _unknown(f"{where}.{key}", key, settings)
    changes: dict[str, Any] = {}
    for key, default in defaults(settings).items():
        if key not in entry or (key == "kind" and not entry[key]):
            changes[key] = default
        elif isinstance(entry[key], ConfigDict) and settings[key]:
            _complete(entry[key], settings[key], f"{where}.{key}")
        elif said := problem(entry[key], default):
            raise ConfigError(f"{where}.{key}={entry[key]!r} {said}")
        elif type(entry[key]) is not type(default) and not isinstance(default, dict):
            changes[key] = type(default)(entry[key])  # a whole number, or a list
    if changes:
        with entry.unlocked(), entry.ignore_type():
            for key, value in changes.items():
                entry[key] = value


def _unknown(path: str, key: str, settings: Settings) -> ConfigError:
    near = nearest(key, settings)
    hint = f"did you mean '{near}'?" if near else f"use {', '.join(settings)}"
    return ConfigError(f"{path}: there is no such key; {hint}")
