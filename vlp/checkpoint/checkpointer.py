"""Saving and restoring: asynchronous, atomic, verified, a bounded number kept."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import jax
from jaxtyping import PyTree

from input_pipeline.errors import UserError
from vlp.checkpoint.arrays import files_of, load_arrays, on_host, start_saving, write_listing
from vlp.checkpoint.description import Description, read_description
from vlp.checkpoint.folders import (
    SAVING,
    complete_steps,
    newest_intact,
    publish,
    remove,
    remove_unfinished,
    steps_to_remove,
)
from vlp.checkpoint.manifest import NEEDED, find_damage, write_manifest
from vlp.processes.agreement import from_first, raise_together


class Checkpointer:
    """The checkpoints of one run, in folders named by step.

    A save fills a folder `<step>.saving` with arrays, plain files and last its manifest, and only then gives it its
    final name: a process killed at any moment leaves either a whole checkpoint or something that is not taken for one.
    Every process calls every method, in the same order; process 0 writes the plain files. The folder is one that all
    processes see, and only one run at a time writes to it; readers (`find_checkpoint`) change nothing.
    """

    def __init__(self, directory: str | Path, *, keep_last: int = 2, keep_every: int = 0):
        """Touches nothing yet: `newest` and `save` do.

        Args:
          directory: of all checkpoints of the run.
          keep_last: how many of the newest to keep, at least 1.
          keep_every: also keep multiples of this many steps for ever; 0 keeps none.

        Raises:
          ValueError: nothing would be kept.
        """
        if keep_last < 1:
            raise UserError(f"keep_last is {keep_last}: at least 1 checkpoint has to be kept")
        self._directory = Path(directory).absolute()
        self._keep_last, self._keep_every = keep_last, keep_every
        self._primary = jax.process_index() == 0
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._pending: Future[None] | None = None

    def save(
        self,
        step: int,
        model: PyTree,
        training: PyTree,
        description: Description,
        *,
        keep: Collection[int] = (),
    ) -> None:
        """Saves one step; returns once the arrays are copied: what else there is to do is done by another thread.

        Args:
          step: names the checkpoint. The newest one there is left as it is.
          model: arrays that make the model (parameters, their running mean, other state).
          training: arrays that only training needs (optimiser state).
          description: everything else.
          keep: earlier steps that are not removed yet, whatever else is.

        Raises:
          ValueError: a later step is there already, or an array was deleted.
          RuntimeError: the previous save failed.
        """
        self.wait()
        newest = from_first(max(complete_steps(self._directory), default=-1))
        if step < newest:
            raise UserError(
                f"cannot save step {step}: {self._directory} holds step {newest} already; go on from there, use "
                "another workdir, or move the later checkpoints away to go back for good"
            )
        if step == newest:
            return
        folder, parts = self._directory / f"{step}{SAVING}", {"model": model, "training": training}
        if jax.process_count() > 1:
            # Orbax starts with an agreement of all processes, made in the order of their steps: by this thread alone.
            raise_together(self._prepare(folder, parts, description))
            write = start_saving(folder, parts)
        else:
            write = functools.partial(self._write, folder, on_host(parts), description)
        self._pending = self._worker.submit(self._finish, folder, write, (*NEEDED, *files_of(parts)), keep)

    def wait(self) -> None:
        """Waits until the last save is complete.

        Raises:
          RuntimeError: it failed in this process; what was there before is untouched. The others cannot be told, for
            Orbax has them wait for this one: it has to end, and they end with it.
        """
        pending, self._pending = self._pending, None
        cause = pending.exception() if pending is not None else None
        if cause is not None:
            raise RuntimeError(f"a checkpoint in {self._directory} could not be written: {cause}") from cause

    def busy(self) -> bool:
        """Tells whether the last save is still being written here."""
        return self._pending is not None and not self._pending.done()

    def newest(self) -> Path | None:
        """Returns the newest intact checkpoint, None in a fresh folder, which is made where there is none. Damaged ones
        are set aside and logged, and what interrupted saves have left is removed: nobody else may be saving there.

        Raises:
          ValueError: there are checkpoints and none is intact.
          OSError: the folder cannot be made or read.
        """
        self.wait()
        error, step = None, -1
        if self._primary:
            try:
                self._directory.mkdir(parents=True, exist_ok=True)
                remove_unfinished(self._directory)
                folder = newest_intact(self._directory)
                step = int(folder.name) if folder is not None else -1
            except (ValueError, OSError) as caught:
                error = caught
        raise_together(error)
        step = from_first(step)
        return self._directory / str(step) if step >= 0 else None

    def intact(self, step: int) -> Path:
        """Returns the checkpoint of one step.

        Raises:
          ValueError: it is damaged or not there.
          RuntimeError: the previous save failed, or another process has the error above.
        """
        self.wait()
        folder = self._directory / str(step)
        damage = find_damage(folder) if self._primary else ""
        words = f"checkpoint {folder} cannot be used: {damage}; restore it from a copy"
        raise_together(UserError(words) if damage else None)
        return folder

    def restore(self, folder: Path, model: PyTree, training: PyTree) -> tuple[PyTree, PyTree, Description]:
        """Restores one checkpoint onto the shardings asked for, whatever it was saved from.

        Args:
          folder: from `newest` or `intact`, which have verified it.
          model: abstract arrays (`jax.ShapeDtypeStruct` with a sharding), nested as they were saved.
          training: likewise.

        Raises:
          ValueError: the arrays there have other names, shapes or dtypes.
        """
        arrays = load_arrays(folder, {"model": model, "training": training})
        return arrays["model"], arrays["training"], read_description(folder)

    def close(self) -> None:
        """Waits for the last save and stops the writer."""
        try:
            self.wait()
        finally:
            self._worker.shutdown()

    def _prepare(self, folder: Path, parts: dict[str, PyTree], description: Description) -> Exception | None:
        """Writes the plain files, before Orbax starts its threads: a full or locked disk is found here."""
        if self._primary:
            try:
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir(parents=True)
                description.write(folder)
                write_listing(folder, parts)
            except Exception as error:  # whatever it is, the other processes have to hear of it
                return error
        return None

    def _write(self, folder: Path, parts: dict[str, PyTree], description: Description) -> None:
        """Writes all but the manifest."""
        raise_together(self._prepare(folder, parts, description))
        start_saving(folder, parts)()

    def _finish(
        self,
        folder: Path,
        wait_for_arrays: Callable[[], None],
        needed: Collection[str],
        keep: Collection[int],
    ) -> None:
        """Completes a save in the background; only a complete one gets its name, only then do older ones go."""
        try:
            wait_for_arrays()
            if self._primary:
                write_manifest(folder, needed)
                publish(folder)
        except BaseException:
            if self._primary:
                shutil.rmtree(folder, ignore_errors=True)  # the disk may be full
            raise
        if self._primary:
            steps = complete_steps(self._directory)
            for step in steps_to_remove(
                steps, keep_last=self._keep_last, keep_every=self._keep_every, keep=keep
            ):
                remove(self._directory / str(step))
