"""What main.py runs: one file a job, with a one-line docstring, `NEEDS` and `run(options)`.

`NEEDS` names what has to be there before the job starts (see `vlp.configuration.validate`); a job that takes paths
besides flags says `TAKES_PATHS = True`. Docstring and both are read without importing the file, so that `--help` and
a wrong config cost no start of JAX.
"""

from __future__ import annotations

import ast
import dataclasses
from pathlib import Path

from ml_collections import FrozenConfigDict


@dataclasses.dataclass(frozen=True)
class JobOptions:
    """What every job is given.

    Attributes:
      config: resolved, validated and frozen.
      workdir: where the run lives; not yet created.
      workdir_argument: the workdir that was asked for; '' where the command line named none.
      config_argument: the config file that was asked for; '' where the command line said nothing about the config.
      checkpoint: path of a checkpoint or workdir to read; '' for none.
      source: path of data, or path or name of a foreign model to import; '' for none.
      output: file or folder to write; '' for the job's own default.
      format: of what is exported; '' for none.
      benchmark: whether to measure the input pipeline.
      step: the step of a run to look into.
      topology: devices to plan for.
      suggest: whether to try variants of the config that fit them.
      allow_config_change: config paths that may differ from those of the checkpoint that is resumed.
      paths: what stood on the command line besides flags.
      arguments: the command line as it was given.
    """

    config: FrozenConfigDict
    workdir: Path
    workdir_argument: str = ""
    config_argument: str = ""
    checkpoint: str = ""
    source: str = ""
    output: str = ""
    format: str = ""
    benchmark: bool = False
    step: int = 0
    topology: str = "local"
    suggest: bool = False
    allow_config_change: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Job:
    """A job as its file describes it."""

    name: str
    summary: str
    needs: tuple[str, ...] | None  # None: the file does not say
    takes_paths: bool


def available() -> dict[str, Job]:
    """Every job by name, read from the files of this folder."""
    files = sorted(Path(__file__).parent.glob("[!_]*.py"))
    return {file.stem: _describe(file) for file in files}


def _describe(file: Path) -> Job:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    summary = (ast.get_docstring(tree) or "").partition("\n")[0]
    said = {
        getattr(node.targets[0], "id", ""): node.value for node in tree.body if isinstance(node, ast.Assign)
    }
    needs = ast.literal_eval(said["NEEDS"]) if "NEEDS" in said else None
    return Job(file.stem, summary, needs, takes_paths="TAKES_PATHS" in said)
