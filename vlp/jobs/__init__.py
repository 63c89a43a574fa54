"""What main.py runs: one file a job, with a one-line docstring, `NEEDS` and `run(options)`.

`NEEDS` names what has to be there before the job starts (see `vlp.configuration.validate`). A job that takes flags
beside those of all jobs says `OPTIONS = {name: (default, help)}` and finds them in `options.own`; one that takes paths
besides flags says `TAKES_PATHS = True`; one that writes says what `--output` is, `WRITES = ("file",)` or `("folder",)`,
with "workdir" behind it where it leaves its files there without one; one that reads --checkpoint or --source says
which, `TAKES = ("checkpoint", "source")`, and what to say in the place of another may be in `INSTEAD`; one that takes
the model of `--checkpoint` as it is there says `READS_MODEL = True`. All of it is read without importing the file, so
that `--help` and a wrong config cost no start of JAX.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ml_collections import FrozenConfigDict

from vlp.processes.home import Home

READ = ("checkpoint", "source")  # flags of all jobs, which not every one of them reads


@dataclasses.dataclass(frozen=True)
class JobOptions:
    """Holds what every job is given.

    Attributes:
      config: resolved, validated and frozen.
      workdir: where the run lives; not yet created.
      home: the same, with the address that it may be a copy of.
      workdir_argument: the workdir that was asked for; '' where the command line named none.
      config_argument: the config file that was asked for; '' where the command line said nothing about the config.
      checkpoint: path of a checkpoint or workdir to read; '' for none.
      source: path of data, or path or name of a foreign model to import; '' for none.
      output: file or folder to write; '' for the job's own default.
      own: the options that the job's file declares, by name.
      paths: what stood on the command line besides flags.
      arguments: the command line as it was given.
    """

    config: FrozenConfigDict
    workdir: Path
    home: Home
    workdir_argument: str = ""
    config_argument: str = ""
    checkpoint: str = ""
    source: str = ""
    output: str = ""
    own: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    paths: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Job:
    """A job as its file describes it."""

    name: str
    summary: str
    needs: tuple[str, ...] | None  # None: the file does not say
    takes_paths: bool
    writes: tuple[str, ...]  # 'file' or 'folder' to --output, and 'workdir'
    takes: tuple[str, ...]  # of READ
    instead: Mapping[str, str]  # of those that it does not take, what a user may mean
    options: Mapping[str, tuple[Any, str]]  # its own: name to default and help
    reads_model: bool  # that of --checkpoint, as it is


@functools.cache
def available() -> dict[str, Job]:
    """Returns every job by name, read from the files of this folder."""
    files = sorted(Path(__file__).parent.glob("[!_]*.py"))
    return {file.stem: _describe(file) for file in files}


def _describe(file: Path) -> Job:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    summary = (ast.get_docstring(tree) or "").partition("\n")[0]
    said = {
        getattr(node.targets[0], "id", ""): node.value for node in tree.body if isinstance(node, ast.Assign)
    }
    needs = ast.literal_eval(said["NEEDS"]) if "NEEDS" in said else None
    options = ast.literal_eval(said["OPTIONS"]) if "OPTIONS" in said else {}
    writes = ast.literal_eval(said["WRITES"]) if "WRITES" in said else ()
    takes = ast.literal_eval(said["TAKES"]) if "TAKES" in said else ()
    instead = ast.literal_eval(said["INSTEAD"]) if "INSTEAD" in said else {}
    return Job(
        name=file.stem,
        summary=summary,
        needs=needs,
        takes_paths="TAKES_PATHS" in said,
        writes=writes,
        takes=takes,
        instead=instead,
        options=options,
        reads_model="READS_MODEL" in said,
    )
