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

import importlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from absl import flags
from ml_collections import ConfigDict, FrozenConfigDict

from vlp import configuration
from vlp.configuration import ConfigError
from vlp.huge_pages import restart_with_huge_pages
from vlp.jobs import JobOptions, available
from vlp.jobs._disk import in_one_line
from vlp.processes.sentinel import watched

OPTIONS = {  # name: (default, help)
    "config": (
        "configs/quickstart.py",
        "config file, and after a colon what it takes: configs/clip.py:runlocal",
    ),
    "workdir": (
        "",
        "where the run's files go; default runs/<name of the config>, or the run of the --checkpoint that is read",
    ),
    "job": ("train", "what to do; see the list of jobs"),
    "checkpoint": ("", "checkpoint or workdir to read"),
    "source": ("", "data to prepare or inspect in place of the config's, or a foreign model to import"),
    "output": ("", "file or folder to write"),
    "format": ("", "with --job=export: huggingface or open_clip"),
    "benchmark": (False, "with --job=inspect: how fast the loader is, and how fast it has to be"),
    "step": (0, "with --job=replay: the step to look into"),
    "topology": (
        "local",
        "with --job=plan: devices to plan for, such as v5e:16x16, v5p:8x8x8, v6e:16x16 or local",
    ),
    "suggest": (
        False,
        "with --job=plan: try remat policies, fsdp sizes and micro-batches, and rank what fits",
    ),
    "allow_config_change": ("", "config keys, separated by commas, that may differ from the resumed run's"),
}
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
        with watched(options.config.distributed, options.workdir), in_one_line():
            return importlib.import_module(f"vlp.jobs.{job}").run(options) or 0
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def prepare(arguments: Sequence[str]) -> tuple[str, JobOptions]:
    """From the command line to a job's name and its options, config frozen. Touches no device."""
    line = configuration.parse(arguments, OPTIONS, _config_of_run)
    options = dict(line.options)
    jobs = available()
    if options["job"] not in jobs:
        raise configuration.unknown("job", options["job"], jobs)
    if line.positional and not jobs[options["job"]].takes_paths:
        raise ConfigError(
            f"'{line.positional[0]}' is not a flag: every option is written --name=value; see --help"
        )
    if "://" in options["workdir"]:
        raise ConfigError(
            f"--workdir={options['workdir']} is an address: checkpoints need a local or mounted folder"
        )
    config = configuration.resolve(line.config)
    configuration.validate(config, jobs[options["job"]].needs)
    return options["job"], JobOptions(
        config=FrozenConfigDict(config),
        workdir=Path(options["workdir"] or f"runs/{config.name}"),
        workdir_argument=options["workdir"],
        config_argument=options["config"] if line.config_given else "",
        checkpoint=options["checkpoint"],
        source=options["source"],
        output=options["output"],
        format=options["format"],
        benchmark=options["benchmark"],
        step=options["step"],
        topology=options["topology"],
        suggest=options["suggest"],
        allow_config_change=configuration.parse_paths(options["allow_config_change"], config),
        paths=line.positional,
        arguments=tuple(arguments),
    )


def _config_of_run(given: Mapping[str, str]) -> ConfigDict | None:
    """The config of the run whose checkpoint is read: what flags change where no `--config` is given."""
    if not given.get("checkpoint") or given.get("job", "train") == "train":
        return None
    from vlp.checkpoint import find_checkpoint, read_description

    try:
        saved = read_description(find_checkpoint(given["checkpoint"])).config
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return ConfigDict(configuration.completed(saved))


def help_text(arguments: Sequence[str]) -> str:
    """What `--help` prints: this file's docstring, the jobs, the flags and every leaf of the config."""
    line = configuration.parse(arguments, OPTIONS)
    settings = configuration.settings_of(line.config)
    return "\n".join(
        [
            (__doc__ or "").rstrip(),
            "\nJobs (--job=...):",
            *(f"  {job.name:<22} {job.summary}" for job in available().values()),
            "\nFlags:",
            *(f"  --{name:<20} {text}" for name, (_, text) in OPTIONS.items()),
            f"\nThe config, here that of {line.options['config']}; each of its leaves is a flag:",
            *(
                _described(path, value, settings)
                for path, value in configuration.flatten(line.config).items()
            ),
        ]
    )


def _described(path: str, value: object, settings: Mapping[str, Any]) -> str:
    """A line of `--help`: a leaf of the config, what it means and what it may be."""
    line = f"  --config.{path}={value}"
    setting = settings.get(path)
    if setting is None:
        return line
    allowed = ", ".join(map(repr, setting.choices)) or setting.limits()
    return f"{line:<62} {setting.meaning}{f' ({allowed})' if allowed else ''}".rstrip()


if __name__ == "__main__":
    restart_with_huge_pages()
    sys.exit(main(sys.argv[1:]))
