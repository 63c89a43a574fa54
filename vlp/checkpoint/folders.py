"""Which checkpoints there are, which are whole, and which may go."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Collection, Iterable
from pathlib import Path

from input_pipeline.errors import UserError
from vlp.checkpoint.manifest import find_damage, sync
from vlp.checkpoint.names import DESCRIPTION, MANIFEST, step_of

SAVING, REMOVING, DAMAGED = ".saving", ".removing", ".damaged"


def complete_steps(directory: Path) -> list[int]:
    """Steps with a finished checkpoint, oldest first; damage is not looked for."""
    folders = (path for path in directory.glob("*") if path.is_dir())
    return sorted(step for path in folders if (step := step_of(path.name)) is not None)


def newest_intact(directory: Path) -> Path | None:
    """Returns the newest checkpoint whose digests hold, None in a fresh folder; damaged ones are set aside and logged.

    Raises:
      ValueError: there are checkpoints and none is intact: starting afresh would look like going on.
    """
    for step in reversed(complete_steps(directory)):
        folder = directory / str(step)
        damage = find_damage(folder)
        if not damage:
            return folder
        aside = set_aside(folder)
        logging.warning("checkpoint %s is damaged: %s; set aside as %s", folder, damage, aside.name)
    damaged = sorted(path.name for path in directory.glob(f"*{DAMAGED}*"))
    if damaged:
        raise UserError(
            f"{directory} holds no intact checkpoint, only {', '.join(damaged)}: restore one from a copy, or start "
            "afresh in another workdir"
        )
    return None


def set_aside(folder: Path) -> Path:
    """Renames a damaged checkpoint so that nothing takes it for one; its bytes are kept."""
    aside = folder.with_name(folder.name + DAMAGED)
    number = 1
    while aside.exists():
        number += 1
        aside = folder.with_name(f"{folder.name}{DAMAGED}{number}")
    folder.rename(aside)
    return aside


def publish(folder: Path) -> None:
    """Gives a complete checkpoint its final name, for good even if the machine stops the moment after."""
    folder.rename(folder.with_name(folder.name.removesuffix(SAVING)))
    sync(folder.parent)


def remove(folder: Path) -> None:
    """Removes a checkpoint that is no longer kept; cut off half way, it is not taken for a damaged one."""
    aside = folder.with_name(folder.name + REMOVING)
    folder.rename(aside)
    shutil.rmtree(aside)


def remove_unfinished(directory: Path) -> None:
    """Removes what saves and removals that were cut off have left."""
    for suffix in (SAVING, REMOVING):
        for path in directory.glob(f"*{suffix}"):
            shutil.rmtree(path)


def steps_to_remove(
    steps: Iterable[int], *, keep_last: int, keep_every: int, keep: Collection[int] = ()
) -> list[int]:
    """Steps that are not among the last ones, multiples of `keep_every` (0 = none are kept for ever) or in `keep`."""
    earlier = sorted(set(steps))[: -max(keep_last, 1)]
    return [step for step in earlier if not (keep_every and step % keep_every == 0) and step not in keep]


def is_step(path: Path) -> bool:
    """Tells whether a path is the folder of one step; a copied one may have any name."""
    return (path / MANIFEST).is_file() or (path / DESCRIPTION).is_file()
