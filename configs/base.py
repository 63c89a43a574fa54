"""Every setting there is, with its default: objectives have weight 0 and evaluators period 0.

Other config files start from `get_config()` and change what they need. The result is locked, so that a misspelt name is
an error, but for the groups of entries: `config.objectives.second = {"kind": "contrastive", "weight": 0.5}`. 0 and ''
stand for "off" or "take it from elsewhere", never None. `configs/settings` says what each setting means.
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType
from typing import Any

from ml_collections import ConfigDict

from configs.common import quickstart_source
from configs.settings import data, frozen, jobs, model, optimizer, run, tokenizer
from configs.settings.kinds import GROUPS, entries
from configs.settings.setting import defaults

# By the groups of the config that one file speaks of.
PARTS: dict[str, ModuleType] = {
    "model": model,
    "tokenizer": tokenizer,
    "optimizer": optimizer,
    "data": data,
    **{
        file.name: importlib.import_module(f"{jobs.__name__}.{file.name}")
        for file in pkgutil.iter_modules(jobs.__path__)
    },
}
SETTINGS: dict[str, Any] = {**run.SETTINGS, **{name: part.SETTINGS for name, part in PARTS.items()}}


def get_config() -> ConfigDict:
    """Returns the defaults of all parts, and the bundled data."""
    config = ConfigDict(defaults(SETTINGS))
    for group in GROUPS:
        config[group] = entries(group)
    config[frozen.GROUP] = {}
    config.data.update({name: {} for name in data.ENTRIES})
    config.data.sources = {"quickstart": quickstart_source("train")}
    config.data.evaluation = {split: quickstart_source(split) for split in ("val_vendor", "val", "test")}
    config.lock()
    for group in GROUPS:
        _open(config[group])
    return config


def _open(group: ConfigDict) -> None:
    """Lets a group have more entries, of which each stays as it is."""
    group.unlock()
    for entry in group.values():
        entry.lock()
