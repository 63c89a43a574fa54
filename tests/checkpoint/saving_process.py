"""A run that saves until it is killed. Arguments: folder, and where to be killed ('' = from outside)."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from checkpoint_states import description

import vlp.checkpoint.checkpointer as checkpointer_module
import vlp.checkpoint.saving as saving_module
from vlp.checkpoint import Checkpointer


def state(step: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Some MiB that do not compress and tell the step."""
    noise = np.random.default_rng(step).random((1024, 1024), np.float32)
    return {"params": {"w": jax.device_put(noise)}}, {"step": jax.numpy.asarray(step)}


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_after(name: str, calls: int, *, before: bool) -> None:
    """Kills this process right before or after a stage of the nth save."""
    module = saving_module if hasattr(saving_module, name) else checkpointer_module
    stage: Callable[..., Any] = getattr(module, name)
    left = [calls]

    def watched(*arguments: Any, **options: Any) -> Any:
        left[0] -= 1
        if before and not left[0]:
            die()
        result = stage(*arguments, **options)
        if not before and not left[0]:
            die()
        return result

    setattr(module, name, watched)


def remove_one_file_and_die(folder: Path, **_: object) -> None:
    if files := [path for path in folder.rglob("*") if path.is_file()]:
        files[0].unlink()
        die()


def main(directory: str, place: str) -> None:
    if place == "half removed":
        shutil.rmtree = remove_one_file_and_die  # type: ignore[assignment]
    elif place:
        order, name = place.split()
        kill_after(name, 3, before=order == "before")
    checkpointer = Checkpointer(directory, keep_last=1)
    newest = checkpointer.newest()
    for step in range(int(newest.name) + 1 if newest else 1, 1000):
        print(f"start {step}", flush=True)
        checkpointer.save(step, *state(step), description(step))
        checkpointer.wait()
        print(f"saved {step}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
