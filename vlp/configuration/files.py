"""Config files: Python files with a `get_config`, that may take one string argument."""

from __future__ import annotations

import importlib.util
import inspect
import json
import re
import sys
import traceback
from pathlib import Path
from types import ModuleType

from ml_collections import ConfigDict

from input_pipeline.addresses import is_address, redacted
from input_pipeline.buckets import SCHEMES, Bucket, in_bucket
from vlp.beside import NAMES
from vlp.configuration.errors import ConfigError, nearest
from vlp.configuration.paths import PROJECT_ROOT, find
from vlp.configuration.resolve import completed


def load_config(spec: str, *, own: bool = False) -> ConfigDict:
    """Runs `get_config` of a file such as `configs/clip.py` or `configs/clip.py:model=vit_b16,runlocal`; or reads the
    config.json of a workdir.

    Args:
      spec: the file, and after a colon what it takes; or a workdir, for its config.json, also at an address.
      own: whether it is the project's even where the working directory has one of the same name: no file of the
        working directory is run that nobody has named.

    Returns:
      The config, locked: its values can change, its keys cannot.

    Raises:
      ConfigError: no such file, an argument it does not take, or a mistake in the file.
    """
    if in_bucket(spec):
        return _stored(spec)
    if is_address(spec):
        raise ConfigError(
            f"--config={redacted(spec)} is an address: a config is a file of this machine, for it is run, or that of a "
            f"run at {' or '.join(SCHEMES)}"
        )
    path, argument = _split(spec, own)
    if path.suffix == ".json" and not argument:
        return _saved(path)
    try:
        config = _call(path, argument)
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(f"--config={spec}: {_describe(error, path)}") from error
    if not isinstance(config, ConfigDict):
        raise ConfigError(
            f"{path}: get_config must return an ml_collections.ConfigDict, not a {type(config).__name__}"
        )
    return config.lock()


def _split(spec: str, own: bool) -> tuple[Path, str]:
    """The file and what it takes: the first of the colons that follows a file's name parts them."""
    colons = [place for place, sign in enumerate(spec) if sign == ":"]
    for end in (*colons, len(spec)):
        name = spec[:end]
        for path in [PROJECT_ROOT / name] if own else find(name):
            if (path / "config.json").is_file():
                path /= "config.json"
            if path.is_file():
                return path, spec[end + 1 :]
    raise ConfigError(_missing(Path(spec.partition(":")[0])))


def _stored(address: str) -> ConfigDict:
    """Reads the config.json of a run in a bucket."""
    try:
        content = Bucket(address.removesuffix("/config.json")).read("config.json")
        return ConfigDict(completed(json.loads(content))).lock()
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise ConfigError(f"--config={address} holds no config: {error}") from error


def _saved(path: Path) -> ConfigDict:
    """Reads the config.json of a workdir: of a run, also of an older version, or of an imported model, whose tokenizer
    lies beside it."""
    try:
        content = completed(json.loads(path.read_text(encoding="utf-8")))
        beside = path.parent.resolve() / content["tokenizer"]["path"]
        if beside.is_file():
            content["tokenizer"]["path"] = str(beside)
        return ConfigDict(content).lock()
    except (ValueError, AttributeError, TypeError) as error:
        raise ConfigError(f"--config={path} holds no config: {error}") from error


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"config_file_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"--config={path} is not a Python file: config files end in .py")
    module = importlib.util.module_from_spec(spec)
    # Modules beside a config file can be named in it; at the end of the path they hide no other.
    folder = str(path.resolve().parent)
    if folder not in sys.path and not path.resolve().is_relative_to(PROJECT_ROOT):
        sys.path.append(folder)
    spec.loader.exec_module(module)
    return module


def _call(path: Path, argument: str) -> object:
    get_config = getattr(_module(path), "get_config", None)
    if not callable(get_config):
        raise ConfigError(f"{path} has no function get_config: see configs/quickstart.py for one")
    if not argument:
        return get_config()
    if not inspect.signature(get_config).parameters:
        raise ConfigError(f"{path} takes no argument: drop ':{argument}'")
    return get_config(argument)


def _missing(path: Path) -> str:
    folders = {path.parent, PROJECT_ROOT / "configs"} - {Path()}
    files = [
        file for folder in sorted(folders) for file in sorted(folder.glob("*.py")) if _holds_config(file)
    ]
    names = sorted(
        str(file.relative_to(PROJECT_ROOT)) if file.is_relative_to(PROJECT_ROOT) else str(file)
        for file in files
    )
    near = next((name for name in names if Path(name).stem == path.stem), "") or nearest(str(path), names)
    return f"there is no config file '{path}': " + (
        f"did you mean {near}?" if near else f"there is {', '.join(names)}"
    )


def _holds_config(file: Path) -> bool:
    return "def get_config(" in file.read_text(encoding="utf-8", errors="replace")


def _describe(error: Exception, path: Path) -> str:
    """What went wrong; for anything but a ValueError, which speaks for itself, also where."""
    if type(error) is ValueError:
        return str(error)
    # A locked ConfigDict says all that it holds.
    said = re.sub(r"\. Other fields present: .*?(?=(\n|\\n)Did you mean|$)", ".", str(error), flags=re.DOTALL)
    if "the config is locked" in said:
        said = (
            f"{said.strip(chr(34) + chr(39))} An entry of your own is added inside `with config.unlocked():`"
        )
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)
    ]
    line = getattr(error, "lineno", None) or (lines[-1] if lines else 0)
    if isinstance(error, ModuleNotFoundError) and error.name in NAMES:
        said += f"; where vlp is installed it is called vlp.{error.name}, as it may be in a checkout"
    return f"{type(error).__name__} in line {line}: {said}"
