"""Where a job leaves what it finds out about a run, when --output does not say."""

from __future__ import annotations

from pathlib import Path

from input_pipeline.buckets import in_bucket
from vlp.checkpoint import run_of
from vlp.jobs import JobOptions


def place_of(options: JobOptions) -> Path:
    """Returns the folder of --workdir where one is named, else of the run whose checkpoint is read."""
    if options.workdir_argument or in_bucket(options.checkpoint):
        return options.workdir
    return run_of(options.checkpoint)
