"""From the arguments of main.py to its options and the config with every `--config.` flag applied."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from absl import flags
from ml_collections import ConfigDict, config_flags

from vlp.configuration import flag_types
from vlp.configuration.entries import complete_entries
from vlp.configuration.errors import ConfigError, nearest, unknown
from vlp.configuration.files import load_config
from vlp.configuration.group_flags import OVERRIDE, apply_group_flags
from vlp.configuration.tree import flatten

# By the type of an option's default.
DEFINE: dict[type, Callable[..., Any]] = {
    bool: flags.DEFINE_boolean,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
}
# What people type -> the setting they mean.
ALIASES = {
    "lr": "optimizer.learning_rate",
    "wd": "optimizer.weight_decay",
    "bs": "batch_size",
    "batch": "batch_size",
    "warmup": "optimizer.schedule.warmup_steps",
    "warmup_steps": "optimizer.schedule.warmup_steps",
    "epochs": "steps",
    "precision": "model.dtype",
    "siglip": "objectives.contrastive.kernel",
}

LONGEST_NAME = 200  # of a flag; a search for the nearest one takes too deep a recursion far above


@dataclasses.dataclass(frozen=True)
class CommandLine:
    """Holds what was asked for.

    Attributes:
      config: with the flags applied, not yet validated.
      config_given: whether any argument says something about the config.
      options: the value of each option by name.
      positional: arguments that are no flags.
      overrides: the leaves of the config that flags set, by path.
    """

    config: ConfigDict
    config_given: bool
    options: Mapping[str, Any]
    positional: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()


def parse(
    arguments: Sequence[str],
    options: Mapping[str, tuple[Any, str]],
    base: Callable[[Mapping[str, str]], ConfigDict | None] = lambda given: None,
) -> CommandLine:
    """Parses the arguments that follow the program's name.

    Args:
      arguments: as in `sys.argv[1:]`; `--config.` flags may stand before `--config`.
      options: default (text, a number, or False for a switch) and help text by name; 'config' among them.
      base: what flags change where no `--config` is given, by the options that are; None = the default config.

    Raises:
      ConfigError: anything unknown, misspelt or of the wrong type.
    """
    flag_types.register()
    named, rest = _take_config(arguments)
    config = None if named else base(_given(rest))
    spec = named or options["config"][0]
    config = load_config(spec, own=not named) if config is None else config
    complete_entries(config)
    rest = apply_group_flags(config, rest)
    complete_entries(config)
    before = flatten(config)
    rest = _last_of_tuples(rest, before)
    _check_names(rest, options, before)
    overrides = [match[1] for argument in rest if (match := OVERRIDE.match(argument))]
    for path in overrides:
        _check_path(path, config, before)
    values = flags.FlagValues()
    values.set_gnu_getopt(True)
    for name, (default, help_text) in options.items():
        if name != "config":
            DEFINE[type(default)](name, default, help_text, flag_values=values)
    try:
        with _unprinted():
            config_flags.DEFINE_config_dict("config", config, flag_values=values, sys_argv=["main.py", *rest])
        positional = values(["main.py", *rest])[1:]
    except flags.UnrecognizedFlagError as error:
        raise _unknown_flag(error.flagname, options, before) from error
    except flags.Error as error:
        raise ConfigError(str(error).removeprefix("flag ")) from error
    _settle_tuples(overrides, config, before)
    config_given = bool(overrides) or len(rest) < len(arguments)
    given = {name: spec if name == "config" else values[name].value for name in options}
    return CommandLine(config, config_given, given, tuple(positional), tuple(overrides))


def parse_paths(text: str, config: ConfigDict) -> tuple[str, ...]:
    """Splits a comma-separated list of config keys, leaves or whole groups.

    Raises:
      ConfigError: a key that the config does not have.
    """
    leaves = flatten(config)
    groups = {path.rsplit(".", depth)[0] for path in leaves for depth in range(1, path.count(".") + 1)}
    paths = tuple(part.strip() for part in text.split(",") if part.strip())
    for path in paths:
        if path not in leaves and path not in groups:
            raise unknown("config key", path, [*leaves, *groups])
    return paths


@contextlib.contextmanager
def _unprinted() -> Iterator[None]:
    """Configs have no text meanwhile: the flag prints its default twice, in more time than all else takes here."""
    text = ConfigDict.__str__
    ConfigDict.__str__ = object.__repr__
    try:
        yield
    finally:
        ConfigDict.__str__ = text


def _take_config(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """Splits `--config=FILE` off the arguments, so that it is known before the flags of its leaves."""
    spec, rest = "", []
    remaining = iter(arguments)
    for argument in remaining:
        name, equals, value = argument.partition("=")
        if name not in ("--config", "-config"):
            rest.append(argument)
            continue
        spec = value if equals else next(remaining, "")
        if not spec:
            raise ConfigError("--config needs a file, such as --config=configs/clip.py")
    return spec, rest


def _given(arguments: Sequence[str]) -> dict[str, str]:
    """The options that are written down, before anything is checked."""
    found: dict[str, str] = {}
    for place, argument in enumerate(arguments, start=1):
        name, equals, value = argument.partition("=")
        if name.startswith("-"):
            found[name.lstrip("-")] = value if equals else "".join(arguments[place : place + 1])
    return found


def _unknown_flag(name: str, options: Iterable[str], leaves: Iterable[str]) -> ConfigError:
    """The error for a flag that is neither an option nor `--config.` and a key."""
    near = nearest(name, [*options, *(f"config.{leaf}" for leaf in leaves)])
    hint = f"did you mean --{near}?" if near else "see --help for those there are"
    return ConfigError(f"there is no flag --{name}: {hint}")


def _check_names(arguments: Sequence[str], options: Iterable[str], leaves: Iterable[str]) -> None:
    """Refuses names that the library of flags would stumble over."""
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if name.lstrip("-") in ("config.", "noconfig."):
            raise ConfigError(f"{argument}: there is no key behind the dot; `--help` lists every key")
        if equals and name.startswith(("--noconfig.", "-noconfig.")):
            path = name.partition(".")[2]
            raise ConfigError(
                f"{argument}: a flag that begins with 'no' takes no value: --config.{path}={value}"
            )
        if name.startswith("-") and len(name) > LONGEST_NAME and not OVERRIDE.match(name):
            raise _unknown_flag(name.lstrip("-"), options, leaves)


def _check_path(path: str, config: ConfigDict, leaves: Mapping[str, object]) -> None:
    """Refuses a `--config.` flag that names no leaf of the config."""
    if path in leaves:
        return
    inside = [leaf for leaf in leaves if leaf.startswith(f"{path}.")]
    if inside:
        raise ConfigError(
            f"--config.{path} is a group: set one of its values, such as --config.{inside[0]}=..."
        )
    near = (
        ALIASES.get(path.rpartition(".")[2])
        or ALIASES.get(_unknown_part(path, leaves))
        or nearest(path, leaves)
    )
    hint = f"the nearest is --config.{near}" if near else "`--help` lists every key"
    raise ConfigError(f"--config.{path}: the config has no such key; {hint}")


def _unknown_part(path: str, leaves: Iterable[str]) -> str:
    """The first part of a path that is in no group of the config."""
    parts = path.split(".")
    groups = {leaf.rsplit(".", count)[0] for leaf in leaves for count in range(1, leaf.count(".") + 1)}
    return next(part for end, part in enumerate(parts, 1) if ".".join(parts[:end]) not in groups)


def _last_of_tuples(arguments: Sequence[str], leaves: Mapping[str, object]) -> list[str]:
    """Leaves of the flags of each tuple the last one, as the last one of a number counts: they would add up."""
    kept: list[list[str]] = []
    remaining = iter(arguments)
    for argument in remaining:
        match = OVERRIDE.fullmatch(argument.partition("=")[0])
        words = [argument]
        if match and isinstance(leaves.get(match[1]), tuple):
            words += (
                [] if "=" in argument else [value for value in (next(remaining, None),) if value is not None]
            )
            kept = [other for other in kept if other[0].partition("=")[0].lstrip("-") != f"config.{match[1]}"]
        kept.append(words)
    return [word for words in kept for word in words]


def _settle_tuples(overrides: Sequence[str], config: ConfigDict, before: Mapping[str, object]) -> None:
    """Gives the items of tuples set by flags the type they have in the config file."""
    after = flatten(config)
    for path in overrides:
        value, default = after[path], before.get(path)
        if isinstance(default, tuple):
            try:
                config.update_from_flattened_dict({path: flag_types.like(value, default)})
            except ValueError as error:
                raise ConfigError(f"--config.{path}: {error}") from error
