"""Finds a checkpoint by a path or an address, and the run that it belongs to."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from input_pipeline.addresses import is_address, redacted
from input_pipeline.buckets import SCHEMES, in_bucket, joined
from input_pipeline.errors import UserError
from vlp.checkpoint.folders import complete_steps, is_step
from vlp.checkpoint.in_bucket import CHECKPOINTS, StoredCheckpoints, fetched
from vlp.checkpoint.manifest import find_damage


def find_checkpoint(path: str | Path, step: int | None = None) -> Path:
    """Returns the folder of one checkpoint.

    Args:
      path: a workdir, its `checkpoints`, or the folder of one step; or the address of one of them in a bucket, of
        which there is a copy then, under the user's cache folder.
      step: which one of several; None takes the newest intact one.

    Raises:
      ValueError: there is none, or the one asked for is damaged.
    """
    if in_bucket(path):
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return fetched(str(path), root / "vlp" / "checkpoints", step)
    if is_address(str(path)):
        raise UserError(f"{redacted(str(path))}: checkpoints are in folders, or at {' or '.join(SCHEMES)}")
    path = Path(path).expanduser()
    if not os.path.isdir(path):  # which a path too long for a file system is not, either
        raise UserError(f"there is no checkpoint or workdir at {path}")
    if step is None and is_step(path):
        return _intact(path)
    directory = path / "checkpoints" if (path / "checkpoints").is_dir() else path
    steps = complete_steps(directory)
    if step is not None:
        if step not in steps:
            raise UserError(f"{directory} has no checkpoint of step {step}; it has {steps or 'none'}")
        return _intact(directory / str(step))
    for candidate in reversed(steps):
        folder = directory / str(candidate)
        damage = find_damage(folder)
        if not damage:
            return folder
        logging.warning("checkpoint %s is passed over: %s", folder, damage)
    raise UserError(f"{directory} holds no intact checkpoint")


def steps_of(workdir: str | Path) -> list[int]:
    """Returns the steps that a run has checkpoints of, oldest first, in its folder or its bucket."""
    if in_bucket(workdir):
        return StoredCheckpoints(joined(str(workdir), CHECKPOINTS)).steps()
    return complete_steps(Path(workdir) / CHECKPOINTS)


def run_of(path: str | Path) -> Path:
    """Returns the folder that whatever is found out about a checkpoint belongs into: its run's workdir where it lies in
    one.

    Args:
      path: a workdir, its `checkpoints`, or the folder of one step.
    """
    path = Path(path)
    if is_step(path):
        path = path.resolve().parent
    return path.resolve().parent if path.name == "checkpoints" else path


def _intact(folder: Path) -> Path:
    damage = find_damage(folder)
    if damage:
        raise UserError(f"checkpoint {folder} is damaged: {damage}; take another step")
    return folder
