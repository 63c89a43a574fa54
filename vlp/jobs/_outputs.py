"""Whether what a job is to write can be written where it was asked for: tried before the work and not after it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from input_pipeline.addresses import is_address, redacted
from vlp.configuration import ConfigError
from vlp.jobs import Job, JobOptions


def check_outputs(job: Job, options: JobOptions) -> None:
    """Tries the places that the command line names: `--output`, or the workdir where the job leaves its files there.

    Raises:
      ConfigError: a place cannot be written.
    """
    form = next((form for form in job.writes if form != "workdir"), "")
    if options.output:
        require_here(f"--output={options.output}", options.output, form)
        require_writable(f"--output={options.output}", Path(options.output).absolute(), form)
    elif "workdir" in job.writes and options.workdir_argument and not options.home.address:
        require_writable(f"--workdir={options.workdir_argument}", options.workdir.absolute(), "folder")


def require_here(said: str, path: str, form: str) -> None:
    """Raises ConfigError for an address: what a job writes beside a run's workdir goes to this machine."""
    if is_address(path):
        raise ConfigError(f"{redacted(said)}: name a {form} of this machine, and copy it there")


def require_writable(said: str, path: Path, form: str) -> None:
    """Refuses a place where no file, or no folder, can come to be. Nothing is left behind.

    Args:
      said: what the user said it by, such as '--output=PATH'.
      path: the place.
      form: 'file' or 'folder'.

    Raises:
      ConfigError: something else is there, or the system lets nobody write there.
    """
    try:
        _require_form(said, path, form)
        places = (path, *path.parents) if form == "folder" else path.parents
        around = next(one for one in places if one.exists())
        if not around.is_dir():
            raise ConfigError(
                f"{said}: {around} is a file, where a folder would have to be: take another place"
            )
        with tempfile.TemporaryFile(dir=around):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(f"{said} cannot be written ({reason}): take another place") from error


def _require_form(said: str, path: Path, form: str) -> None:
    if form == "file" and path.is_dir():
        raise ConfigError(f"{said} is a folder: name the file to write, such as {path / 'NAME'}")
    if form == "file" and path.exists() and not path.is_file():
        raise ConfigError(f"{said} is a device or a pipe, and what is written replaces it: name a file")
    if form == "folder" and path.exists() and not path.is_dir():
        raise ConfigError(f"{said} is a file, and a folder is written: take another place")
