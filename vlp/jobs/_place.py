"""Where a job leaves what it finds out about a run, when --output does not say."""

from __future__ import annotations

from pathlib import Path

from vlp.checkpoint import run_of
from vlp.jobs import JobOptions


def place_of(options: JobOptions) -> Path:
    """Returns the folder of --workdir where one is named, else of the run whose checkpoint is read."""
    return options.workdir if options.workdir_argument else run_of(options.checkpoint)
