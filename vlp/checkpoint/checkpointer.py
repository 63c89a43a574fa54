"""Saving and restoring: asynchronous, atomic, verified, a bounded number kept."""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import Future
from pathlib import Path

import jax
from jaxtyping import PyTree

from input_pipeline.errors import UserError
from vlp.checkpoint.arrays import load_arrays
from vlp.checkpoint.background import writer
from vlp.checkpoint.description import Description, read_description
from vlp.checkpoint.folders import complete_steps, newest_intact, remove, remove_unfinished, steps_to_remove
from vlp.checkpoint.in_bucket import StoredCheckpoints
from vlp.checkpoint.manifest import find_damage
from vlp.checkpoint.saving import Saving
from vlp.checkpoint.stored import copied, keep_only, newest_stored
from vlp.processes.agreement import from_first, raise_together


class Checkpointer:
    """The checkpoints of one run, in folders named by step.

    A save fills a folder `<step>.saving` with arrays, plain files and last its manifest, and only then gives it its
    final name: a process killed at any moment leaves either a whole checkpoint or something that is not taken for one.
    Every process calls every method, in the same order; process 0 writes the plain files. The folder is one that all
    processes see, and only one run at a time writes to it; readers (`find_checkpoint`) change nothing. Where the run
    lives in a bucket, the checkpoints are there, and each process has a folder of its own for copies.
    """

    def __init__(
        self,
        directory: str | Path,
        *,
        keep_last: int = 2,
        keep_every: int = 0,
        address: str = "",
        vouch: Callable[[], None] = lambda: None,
    ):
        """Touches nothing yet: `newest` and `save` do.

        Args:
          directory: of all checkpoints of the run.
          keep_last: how many of the newest to keep, at least 1.
          keep_every: also keep multiples of this many steps for ever; 0 keeps none.
          address: of the folder in a bucket where they are kept, of which the directory then has the last ones; '' =
            in the directory.
          vouch: called before a checkpoint in a bucket becomes one: it raises where it must not.

        Raises:
          ValueError: nothing would be kept.
        """
        if keep_last < 1:
            raise UserError(f"keep_last is {keep_last}: at least 1 checkpoint has to be kept")
        self._directory = Path(directory).absolute()
        self._keep_last, self._keep_every = keep_last, keep_every
        self._stored, self._vouch = StoredCheckpoints(address) if address else None, vouch
        self._primary = jax.process_index() == 0
        self._worker = writer("checkpoint")
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
        newest = from_first(self.last())
        if step < newest:
            raise UserError(
                f"cannot save step {step}: {self._directory} holds step {newest} already; go on from there, use "
                "another workdir, or move the later checkpoints away to go back for good"
            )
        if step == newest:
            return
        parts = {"model": model, "training": training}
        saving = Saving(self._directory, step, parts, description, self._stored, self._vouch)
        self._pending = self._worker.submit(self._finish, saving, keep)

    def wait(self) -> None:
        """Waits until the last save is complete.

        Raises:
          RuntimeError: it failed in one of the processes; what was there before is untouched.
        """
        pending, self._pending = self._pending, None
        cause = pending.exception() if pending is not None else None
        if cause is not None:
            place = self._stored.address if self._stored else self._directory
            raise RuntimeError(f"a checkpoint in {place} could not be written: {cause}") from cause

    def busy(self) -> bool:
        """Tells whether the last save is still being written here."""
        return self._pending is not None and not self._pending.done()

    def last(self) -> int:
        """Returns the newest step that is whole, as this process's folder shows; -1 where there is none."""
        return max(complete_steps(self._directory), default=-1)

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
                step = self._newest_step()
            except (ValueError, OSError) as caught:
                error = caught
        raise_together(error)
        step = from_first(step)
        if self._stored is not None and not self._primary:
            keep_only(self._directory, step)
        if step >= 0:
            self._copy(step)
        return self._directory / str(step) if step >= 0 else None

    def _newest_step(self) -> int:
        self._directory.mkdir(parents=True, exist_ok=True)
        if self._stored is not None:
            return newest_stored(self._stored, self._directory)
        remove_unfinished(self._directory)
        folder = newest_intact(self._directory)
        return int(folder.name) if folder is not None else -1

    def _copy(self, step: int) -> None:
        """Has every process hold a checkpoint of the bucket, which the others have written parts of."""
        if self._stored is None:
            return
        error: Exception | None = None
        try:
            if damage := copied(self._stored, self._directory, step):
                error = UserError(f"checkpoint {self._stored.address}/{step} cannot be used: {damage}")
        except OSError as caught:
            error = caught
        raise_together(error)

    def intact(self, step: int) -> Path:
        """Returns the checkpoint of one step.

        Raises:
          ValueError: it is damaged or not there.
          RuntimeError: the previous save failed, or another process has the error above.
        """
        self.wait()
        self._copy(step)
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

    def hasten(self) -> None:
        """Has a save that is under way give up soon where its bucket does not answer: this process ends."""
        if self._stored is not None:
            self._stored.hasten()

    def close(self) -> None:
        """Waits for the last save and stops the writer."""
        try:
            self.wait()
        finally:
            self._worker.shutdown()

    def _finish(self, saving: Saving, keep: Collection[int]) -> None:
        """Completes a save in the background; only then do older ones go."""
        saving.finish()
        if self._stored is not None and self._primary:
            for step in self._surplus(self._stored.steps(), self._keep_every, keep):
                self._stored.remove(step)
        if self._primary or self._stored is not None:
            kept_here = 0 if self._stored else self._keep_every
            for step in self._surplus(complete_steps(self._directory), kept_here, keep):
                remove(self._directory / str(step))

    def _surplus(self, steps: list[int], keep_every: int, keep: Collection[int]) -> list[int]:
        return steps_to_remove(steps, keep_last=self._keep_last, keep_every=keep_every, keep=keep)
