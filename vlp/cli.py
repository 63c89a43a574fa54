"""vlp: vision-language pretraining in JAX.

Two-tower (image, text) models are trained, evaluated and exported from one config, whose every leaf is a flag.

Usage:
  python main.py                                    the quickstart: trains a small model in runs/quickstart
  python main.py --config=FILE[:ARGUMENTS] [--config.KEY=VALUE ...] [--workdir=DIR] [--job=JOB]

Examples:
  python main.py --config=configs/quickstart.py:runlocal --workdir=/tmp/first
  python main.py --config=configs/clip.py:model=vit_b16,resolution=224 --config.optimizer.learning_rate=1e-3
  python main.py --job=evaluate --checkpoint=runs/quickstart
  python main.py --job=prepare --source=FOLDER --output=data/mine
  python main.py --job=inspect --benchmark
  python main.py --job=import --source=FOLDER --workdir=runs/theirs
  python main.py --job=export --checkpoint=runs/quickstart --format=huggingface --output=FOLDER
  python main.py --job=compare runs/a-0 runs/a-1 runs/b-0 runs/b-1
  python main.py --job=plan --topology=v5e:16x16 --config=configs/clip.py:model=vit_l14
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from absl import flags
from ml_collections import ConfigDict, FrozenConfigDict

from input_pipeline.addresses import is_address
from input_pipeline.buckets import SCHEMES, in_bucket
from input_pipeline.errors import UserError
from vlp import configuration
from vlp.beside import PROGRAM
from vlp.configuration import ConfigError
from vlp.configuration.entries import EXAMPLES
from vlp.jobs import READ, Job, JobOptions, available
from vlp.jobs._disk import in_one_line
from vlp.jobs._outputs import check_outputs
from vlp.processes.home import Home, beside, home_of, run_at
from vlp.processes.sentinel import watched

# Name: (default, help). Of one job's own options its file says as much: see vlp.jobs.
OPTIONS: dict[str, tuple[Any, str]] = {
    "config": (
        "configs/quickstart.py",
        "config file, and after a colon what it takes: configs/clip.py:runlocal; or a run's folder, for its config",
    ),
    "workdir": (
        "",
        "folder, gs:// or s3:// where the run's files go; default runs/<name of the config>, or the run of the "
        "--checkpoint that is read",
    ),
    "job": ("train", "what to do; see the list of jobs"),
    "checkpoint": ("", "checkpoint or workdir to read"),
    "source": ("", "data to prepare or inspect in place of the config's, or a foreign model to import"),
    "output": ("", "file or folder to write"),
}
PATHS = ("workdir", "checkpoint", "source", "output")
# What a checkpoint says of its model.
OF_MODEL = ("model.", "tokenizer.", "data.image.resize", "data.image.mean", "data.image.std")
HELP_FLAGS = {"--help", "-help", "-h", "--helpshort", "--helpfull"}


def main(arguments: Sequence[str]) -> int:
    """Runs the job; a wrong configuration is one line on stderr and exit code 2."""
    try:
        if HELP_FLAGS & set(arguments):
            print(help_text([argument for argument in arguments if argument not in HELP_FLAGS]))
            return 0
        job, options = prepare(arguments)
        # Libraries that define flags of their own (grain) may now read the defaults.
        flags.FLAGS.mark_as_parsed()
        check_outputs(available()[job], options)
        with watched(options.config.distributed, options.home), in_one_line():
            module = importlib.import_module(f"vlp.jobs.{job}")
            with contextlib.nullcontext() if job == "train" else beside(options.home):
                return module.run(options) or 0
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def prepare(arguments: Sequence[str]) -> tuple[str, JobOptions]:
    """Turns the command line into a job's name and its options, config frozen. Touches no device."""
    jobs = available()
    line = configuration.parse(arguments, OPTIONS | options_of(jobs), _config_of_run)
    options = {**line.options, **{name: _at_home(line.options[name]) for name in PATHS}}
    if options["job"] not in jobs:
        raise configuration.unknown("job", options["job"], jobs)
    job = jobs[options["job"]]
    own = {name: default for name, (default, _) in options_of(jobs).items()}
    for name, default in (own | dict.fromkeys(READ, "")).items():
        if options[name] != default and name not in {*job.options, *job.takes}:
            takers = " and ".join(
                f"--job={one.name}" for one in jobs.values() if name in {*one.options, *one.takes}
            )
            instead = job.instead.get(name, "leave it out")
            raise ConfigError(f"--{name} is for {takers}, and this is --job={job.name}: {instead}")
    if options["output"] and not {"file", "folder"} & {*job.writes}:
        raise ConfigError(
            f"--job={job.name} writes no --output: leave it out; what it leaves is in --workdir"
        )
    if line.positional and not job.takes_paths:
        raise ConfigError(
            f"'{line.positional[0]}' is not a flag: every option is written --name=value; see --help"
        )
    if job.reads_model and options["checkpoint"]:
        _check_model_is_given(job.name, line.overrides)
    config = configuration.resolve(line.config)
    configuration.validate(config, job.needs)
    home = _home(options["workdir"], options["checkpoint"], f"runs/{config.name}")
    return job.name, JobOptions(
        config=FrozenConfigDict(config),
        workdir=home.folder,
        home=home,
        workdir_argument=options["workdir"],
        config_argument=options["config"] if line.config_given else "",
        checkpoint=options["checkpoint"],
        source=options["source"],
        output=options["output"],
        own={name: options[name] for name in job.options},
        paths=tuple(map(_at_home, line.positional)),
        arguments=tuple(arguments),
    )


def _check_model_is_given(job: str, overrides: Sequence[str]) -> None:
    """Refuses flags about a model that is read from a checkpoint: figures would be taken for those of another."""
    for path in overrides:
        if path.startswith(OF_MODEL):
            raise ConfigError(
                f"--config.{path}: --job={job} takes the model of --checkpoint as it is there, with its tokenizer and "
                "preprocessing: leave it out, or have a run start from that model under other settings with "
                "--config.checkpoint.start=PATH"
            )


def _home(workdir: str, checkpoint: str, default: str) -> Home:
    """Where the run's files are: at --workdir, else in a bucket if the checkpoint that is read is there."""
    place = workdir or (run_at(checkpoint) if in_bucket(checkpoint) else default)
    if is_address(place) and not in_bucket(place):
        raise ConfigError(
            f"--workdir={place}: a run's files may be in a folder, or at {' or '.join(SCHEMES)}"
        )
    return home_of(place)


def options_of(jobs: Mapping[str, Job]) -> dict[str, tuple[Any, str]]:
    """Returns the options that jobs have of their own, each with its default and with what it is for."""
    found: dict[str, tuple[Any, str]] = {}
    for job in jobs.values():
        for name, (default, text) in job.options.items():
            words = f"with --job={job.name}: {text}"
            found[name] = (default, f"{found[name][1]}; {words}" if name in found else words)
    return found


def _at_home(path: str) -> str:
    """A path in which ~ is the home folder: no shell has said so behind --name=."""
    return os.path.expanduser(path) if path.startswith("~") else path


def _config_of_run(given: Mapping[str, str]) -> ConfigDict | None:
    """The config of the run whose checkpoint is read: what flags change where no `--config` is given."""
    job = available().get(given.get("job", "train"))
    if not given.get("checkpoint") or not job or "checkpoint" not in job.takes:
        return None
    from vlp.checkpoint import find_checkpoint, read_description

    try:
        saved = read_description(find_checkpoint(_at_home(given["checkpoint"]))).config
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return ConfigDict(configuration.completed(saved))


def help_text(arguments: Sequence[str]) -> str:
    """Returns what `--help` prints: this file's docstring, the jobs, the flags and every leaf of the config."""
    jobs = available()
    options = OPTIONS | options_of(jobs)
    line = configuration.parse(arguments, options)
    settings = configuration.settings_of(line.config)
    return "\n".join(
        [
            (__doc__ or "").replace("python main.py", PROGRAM).rstrip(),
            "\nJobs (--job=...):",
            *(f"  {job.name:<22} {job.summary}" for job in jobs.values()),
            "\nFlags:",
            *(f"  --{name:<20} {text}" for name, (_, text) in options.items()),
            f"\nThe config, here that of {line.options['config']}; each of its leaves is a flag:",
            *(
                _described(path, value, settings)
                for path, value in configuration.flatten(line.config).items()
            ),
        ]
    )


def _described(path: str, value: object, settings: Mapping[str, Any]) -> str:
    """A line of `--help`: a leaf of the config, what it means and what it may be."""
    line, setting = f"  --config.{path}={value}", settings.get(path)
    if setting is not None:
        allowed = ", ".join(map(repr, setting.choices)) or setting.limits()
        meaning = f"{setting.meaning}{f' ({allowed})' if allowed else ''}"
    elif ".columns." in path:
        meaning = f"column, key or feature that holds the {path.rpartition('.')[2]} of a record"
    else:
        meaning = f"entries of your own, as {EXAMPLES[path]}" if path in EXAMPLES else ""
    return f"{line:<62} {meaning}".rstrip()
