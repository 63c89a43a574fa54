"""Resolve, validate, freeze: everything that happens to a config before a device is touched. Loads no JAX."""

from configs.settings.setting import Setting
from vlp.configuration.command_line import CommandLine, parse, parse_paths
from vlp.configuration.devices import validate_devices
from vlp.configuration.errors import ConfigError, nearest, unknown
from vlp.configuration.files import load_config
from vlp.configuration.resolve import completed, resolve
from vlp.configuration.schema import check_model, settings_of
from vlp.configuration.stages import StagePlan, stage_config, stage_ends, staged_sizes, stages
from vlp.configuration.tree import flatten, to_dict
from vlp.configuration.validate import validate

__all__ = [
    "CommandLine",
    "ConfigError",
    "Setting",
    "StagePlan",
    "check_model",
    "completed",
    "flatten",
    "load_config",
    "nearest",
    "parse",
    "parse_paths",
    "resolve",
    "settings_of",
    "stage_config",
    "stage_ends",
    "staged_sizes",
    "stages",
    "to_dict",
    "unknown",
    "validate",
    "validate_devices",
]
