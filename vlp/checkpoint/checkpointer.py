"""Saving and restoring on Orbax: asynchronous, atomic, verified, a bounded number kept."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import jax
import orbax.checkpoint as ocp
from jax.experimental import multihost_utils
from jaxtyping import PyTree

from vlp.checkpoint.description import Description, read_description
from vlp.checkpoint.folders import SAVING, complete_steps, newest_intact, remove_unfinished, steps_to_remove
from vlp.checkpoint.manifest import write_manifest

ARRAYS = "arrays"


class Checkpointer:
    """The checkpoints of one run, in folders named by step.

    A save becomes a folder `<step>.saving`, gets its arrays, its plain files and last its manifest, and only then its
    final name: a process killed at any moment leaves either a whole checkpoint or something that is not taken for one.
    Every process calls every method; process 0 writes the plain files.
    """

    def __init__(self, directory: str | Path, *, keep_last: int = 2, keep_every: int = 0):
        """Opens or makes the folder, and removes what interrupted saves have left there.

        Args:
          directory: of all checkpoints of the run.
          keep_last: how many of the newest to keep, at least 1.
          keep_every: also keep multiples of this many steps for ever; 0 keeps none.
        """
        self._directory = Path(directory).absolute()
        self._keep_last, self._keep_every = keep_last, keep_every
        self._primary = jax.process_index() == 0
        self._orbax = ocp.AsyncCheckpointer(ocp.CompositeCheckpointHandler())
        self._finishing: threading.Thread | None = None
        self._error: BaseException | None = None
        if self._primary:
            self._directory.mkdir(parents=True, exist_ok=True)
            remove_unfinished(self._directory)

    def save(self, step: int, model: PyTree, training: PyTree, description: Description) -> None:
        """Saves one step; returns once the arrays are copied, while they are still being written.

        Args:
          step: names the checkpoint; one that exists already is left as it is.
          model: arrays that make the model (parameters, their running mean, other state).
          training: arrays that only training needs (optimiser state).
          description: everything else.

        Raises:
          OSError, ValueError: this or the previous save failed.
        """
        self.wait()
        if step in self._broadcast_steps():
            return
        folder = self._directory / f"{step}{SAVING}"
        if self._primary:
            folder.mkdir(parents=True, exist_ok=True)
            description.write(folder)
        self._barrier("vlp_save")
        self._orbax.save(
            folder / ARRAYS,
            args=ocp.args.Composite(model=ocp.args.StandardSave(model), training=ocp.args.StandardSave(training)),
        )
        self._finishing = threading.Thread(target=self._finish, args=(folder,), name=f"checkpoint-{step}")
        self._finishing.start()

    def wait(self) -> None:
        """Waits until the last save is complete.

        Raises:
          OSError, ValueError: it failed.
        """
        if self._finishing is not None:
            self._finishing.join()
            self._finishing = None
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def newest(self) -> Path | None:
        """The newest intact checkpoint; damaged ones are set aside, whose names are logged."""
        self.wait()
        step = -1
        if self._primary:
            folder = newest_intact(self._directory)
            step = int(folder.name) if folder is not None else -1
        step = int(multihost_utils.broadcast_one_to_all(step)) if jax.process_count() > 1 else step
        return self._directory / str(step) if step >= 0 else None

    def restore(self, folder: Path, model: PyTree, training: PyTree) -> tuple[PyTree, PyTree, Description]:
        """Restores one checkpoint onto the shapes, dtypes and shardings asked for, whatever it was saved from.

        Args:
          folder: from `newest`.
          model: abstract arrays (`jax.ShapeDtypeStruct` with a sharding), nested as they were saved.
          training: likewise.
        """
        arrays = self._orbax.restore(
            folder / ARRAYS,
            args=ocp.args.Composite(
                model=ocp.args.StandardRestore(model), training=ocp.args.StandardRestore(training)
            ),
        )
        return arrays["model"], arrays["training"], read_description(folder)

    def close(self) -> None:
        """Waits for the last save and stops the writers."""
        self.wait()
        self._orbax.close()

    def _finish(self, folder: Path) -> None:
        try:
            self._orbax.wait_until_finished()
            if self._primary:
                write_manifest(folder)
                folder.rename(self._directory / folder.name.removesuffix(SAVING))
                self._remove_old()
        except BaseException as error:  # whatever it is, the caller's next call raises it
            self._error = error

    def _remove_old(self) -> None:
        steps = complete_steps(self._directory)
        for step in steps_to_remove(steps, keep_last=self._keep_last, keep_every=self._keep_every):
            shutil.rmtree(self._directory / str(step))

    def _broadcast_steps(self) -> list[int]:
        self._barrier("vlp_steps")
        return complete_steps(self._directory)

    @staticmethod
    def _barrier(name: str) -> None:
        if jax.process_count() > 1:
            multihost_utils.sync_global_devices(name)
