"""The newest checkpoint of a run that lives in a bucket, copied into a process's own folder."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from input_pipeline.errors import UserError
from vlp.checkpoint.folders import complete_steps, remove_unfinished
from vlp.checkpoint.in_bucket import StoredCheckpoints
from vlp.checkpoint.manifest import find_damage


def newest_stored(stored: StoredCheckpoints, directory: Path) -> int:
    """Returns the newest step of a bucket that is intact, which the directory then has; -1 where there is none.

    What interrupted saves have left is removed there and here, damaged steps are set aside and logged, and copies of
    steps that are no longer there go.

    Raises:
      ValueError: there are checkpoints and none is intact: starting afresh would look like going on.
      BucketError: the bucket refuses, or does not answer.
    """
    stored.remove_unfinished()
    remove_unfinished(directory)
    steps = stored.steps()
    for step in set(complete_steps(directory)) - set(steps):
        shutil.rmtree(directory / str(step))
    for step in reversed(steps):
        damage = copied(stored, directory, step)
        if not damage:
            return step
        aside = stored.set_aside(step)
        logging.warning(
            "checkpoint %s/%d is damaged: %s; set aside as %s", stored.address, step, damage, aside
        )
    if damaged := stored.damaged():
        raise UserError(
            f"{stored.address} holds no intact checkpoint, only {', '.join(damaged)}: restore one from a copy, or "
            "start afresh in another workdir"
        )
    return -1


def keep_only(directory: Path, step: int) -> None:
    """Removes what a process's own folder has beside the copy of one step: earlier runs of it may have got further than
    what all of them go on from, and the next save of such a step would find its name taken."""
    directory.mkdir(parents=True, exist_ok=True)
    remove_unfinished(directory)
    for other in set(complete_steps(directory)) - {step}:
        shutil.rmtree(directory / str(other))


def copied(stored: StoredCheckpoints, directory: Path, step: int) -> str:
    """Has a directory hold a step of a bucket; returns what is wrong with it, '' if nothing is."""
    folder, damage = directory / str(step), ""
    for _ in range(2):  # the copy that was there may be what is damaged
        try:
            stored.fetch(step, folder)
        except (UserError, FileNotFoundError) as error:
            return str(error)
        if not (damage := find_damage(folder)):
            return ""
        shutil.rmtree(folder)
    return damage
