"""The library's face: what `vlp.config`, `vlp.train` and `vlp.evaluate` do, with the code that the jobs run."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_collections import ConfigDict, FrozenConfigDict

from vlp import configuration
from vlp.configuration.group_flags import sets_group

if TYPE_CHECKING:
    from vlp.model import Model

QUICKSTART = "configs/quickstart.py"
TRAINING = ("objectives", "sources", "tokenizer", "evaluation")  # what has to be there


def config(spec: str = "", /, **overrides: Any) -> ConfigDict:
    """Reads a config as the command line does: a file, what it takes, and settings that are other than in it.

    Args:
      spec: a file such as 'configs/clip.py:runlocal', in the working directory or else the project's; '' is the
        quickstart.
      overrides: settings by path, as `steps=100`, `optimizer__learning_rate=1e-3` or
        `optimizer={"learning_rate": 1e-3}`; entries of objectives, evaluators and data as dicts.

    Returns:
      The config, complete and checked; its values can be changed, its keys cannot.

    Raises:
      ConfigError: an unknown key, or a value that is not allowed.
    """
    flags = [f"--config.{path}={text}" for path, text in _flags(overrides)]
    named = [f"--config={spec}"] if spec else []
    line = configuration.parse([*named, *flags], {"config": (QUICKSTART, "")})
    resolved = configuration.resolve(line.config)
    configuration.validate(resolved, ())
    return resolved


def train(
    config: ConfigDict | str, workdir: str | Path, *, allow_config_change: Collection[str] = ()
) -> Model:
    """Trains what a config describes, or goes on where its workdir left off, and evaluates it at the end.

    Args:
      config: from `vlp.config`, or what it takes.
      workdir: a folder, gs:// or s3://; holds the run afterwards: figures in results.json, a page, curves, checkpoints.
      allow_config_change: keys that may differ from those of the run that the workdir holds.

    Returns:
      The `vlp.Model` of the last checkpoint: what `vlp.load(workdir)` gives.

    Raises:
      ConfigError: the config is wrong, does not fit the data or the devices, or is not that of the workdir's run.
    """
    from vlp.loading import load
    from vlp.processes.home import home_of
    from vlp.runs.run import Run

    Run(_frozen(config, TRAINING), home_of(workdir), tuple(allow_config_change)).train()
    return load(workdir)


def evaluate(model: Model | str | Path, config: ConfigDict | str | None = None) -> dict[str, float]:
    """Measures a model with the evaluators of a config that are on.

    Args:
      model: a `vlp.Model`, or what `vlp.load` takes.
      config: from `vlp.config`, or what it takes; None is the one that the model was trained with.

    Returns:
      Figures by names such as 'zero_shot/val/top1'.

    Raises:
      ConfigError: no evaluator is on, or one does not fit its sets or the model.
    """
    from vlp.evaluation import check, evaluate
    from vlp.evaluation.cache import RememberingEncoder
    from vlp.loading import load
    from vlp.model import Model
    from vlp.runs.data import EvaluationSets
    from vlp.runs.evaluation import open_evaluators
    from vlp.runs.startup import configuring, use_compilation_cache

    use_compilation_cache()
    encoder = model if isinstance(model, Model) else load(model)
    asked = encoder.config if config is None else _frozen(config, ("evaluation",))
    evaluators = open_evaluators(asked.evaluators, EvaluationSets(asked, encoder.preprocessing), encoder)
    with configuring():
        check(evaluators)
        return evaluate(evaluators, RememberingEncoder(encoder))


def export(checkpoint: str | Path, form: str, output: str | Path) -> list[str]:
    """Writes a checkpoint as a folder that transformers or open_clip load.

    Args:
      checkpoint: what `vlp.load` takes; of a model in memory, what `model.save` wrote.
      form: 'huggingface' or 'open_clip'.
      output: a folder that is not there yet, or empty.

    Returns:
      Sentences on what is different there; none if nothing is.

    Raises:
      ConfigError: the format is unknown or cannot hold the model.
    """
    from vlp.configuration.errors import unknown
    from vlp.interop.exported import FORMATS, export_model
    from vlp.runs.startup import configuring

    if form not in FORMATS:
        raise unknown("format", form, FORMATS)
    with configuring():
        return export_model(checkpoint, form, Path(output).expanduser())


def _frozen(asked: ConfigDict | str, needs: Collection[str]) -> FrozenConfigDict:
    """A config as it is run, with all that has to be there."""
    resolved = config(asked) if isinstance(asked, str) else configuration.resolve(ConfigDict(asked))
    configuration.validate(resolved, needs)
    return FrozenConfigDict(resolved)


def _flags(settings: Mapping[str, Any], where: str = "") -> Iterator[tuple[str, str]]:
    """Settings as flags give them: the path of each leaf, or of an entry that is set as a whole, and its text."""
    for name, value in settings.items():
        path = where + name.replace("__", ".")
        value = value.tolist() if hasattr(value, "tolist") else value  # of numpy and jax
        if isinstance(value, Mapping) and not sets_group(path):
            yield from _flags(value, f"{path}.")
        else:
            yield path, value if isinstance(value, str) else repr(value)
