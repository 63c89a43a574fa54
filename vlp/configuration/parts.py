"""Finds the class of an entry of the config by its kind: a registered one, or one of anybody's package."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from pkgutil import resolve_name
from typing import Any

from configs.settings.kinds import kind_file, kinds, with_common
from configs.settings.setting import Check, Settings, defaults
from vlp.configuration.errors import ConfigError, unknown


@dataclasses.dataclass(frozen=True)
class Part:
    """One kind of entry.

    Attributes:
      kind: what an entry calls it.
      target: its class, as package.module:Class.
      settings: what an entry can be told, with what every entry of its group can.
      check: raises ValueError where an entry contradicts itself or the config.
      model_axis: settings whose number the mesh's model axis splits.
      asks: of each tower, what an entry with a weight needs of it, of `vlp.models.families.base.ABILITIES`.
    """

    kind: str
    target: str
    settings: Settings
    check: Check | None = None
    model_axis: tuple[str, ...] = ()
    asks: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def load(self) -> Any:
        """Imports its class."""
        return resolve_name(self.target)

    def whole(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """Returns an entry with the defaults of what it does not say."""
        return {**defaults(self.settings), **entry}


def find_part(group: str, kind: str, where: str) -> Part:
    """Finds a kind of a group; of a registered one, nothing but its settings is imported.

    Args:
      group: 'objectives', 'evaluators', 'hooks', 'curation' or 'selection'.
      kind: a registered one, or `package.module:Class`, whose attribute SETTINGS says what it can be told, and whose
        `check_settings(entry, config, where)`, if it has one, what contradicts itself; ASKS, what it needs of towers.
      where: the entry's path, for errors.

    Raises:
      ConfigError: there is no such kind, module or class.
    """
    if ":" in kind:
        return _from_outside(group, kind, where)
    if kind not in kinds(group):
        error = unknown(f"kind of {group}", kind, kinds(group))
        raise ConfigError(f"{where}: {error}, or package.module:Class of a package of yours")
    file = kind_file(group, kind)
    return Part(
        kind,
        file.CLASS,
        with_common(group, kind, file.SETTINGS),
        getattr(file, "check", None),
        getattr(file, "MODEL_AXIS", ()),
        getattr(file, "ASKS", {}),
    )


def _from_outside(group: str, kind: str, where: str) -> Part:
    module_name, _, name = kind.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise ConfigError(
            f"{where}.kind='{kind}': there is no module '{error.name}' to import: install it, put it beside the "
            "config file, or name its folder in PYTHONPATH"
        ) from error
    if not hasattr(module, name):
        raise ConfigError(f"{where}.kind='{kind}': {module_name} has no '{name}'")
    target = getattr(module, name)
    settings = with_common(group, kind, getattr(target, "SETTINGS", {}))
    return Part(
        kind,
        kind,
        settings,
        getattr(target, "check_settings", None),
        getattr(target, "MODEL_AXIS", ()),
        getattr(target, "ASKS", {}),
    )
