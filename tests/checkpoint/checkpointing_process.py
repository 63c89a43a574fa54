"""One of two processes of a run. Arguments: port, index, folder, what to do."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
from checkpoint_states import abstract, description, sharding

from vlp.checkpoint import Checkpointer


def state(step: int, devices: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Rows spread over all processes."""
    rows = np.arange(64, dtype=np.float32).reshape(8, 8) * step
    spread = sharding(devices)
    array = jax.make_array_from_callback(rows.shape, spread, lambda index: rows[index])
    whole = jax.NamedSharding(spread.mesh, jax.P())
    count = jax.make_array_from_callback((), whole, lambda _: np.asarray(step, np.int32))
    return {
        "params": {"w": array, "none": jax.make_array_from_callback((0,), whole, lambda _: np.zeros(0))}
    }, {"step": count}


def save_and_restore(directory: Path, primary: bool) -> None:
    """Two saves in flight, one of them damaged, the other restored."""
    checkpointer = Checkpointer(directory)
    for step in (1, 2):
        checkpointer.save(step, *state(step, 2), description(step))
    checkpointer.wait()
    if primary:
        (directory / "2" / "arrays.json").unlink()
    folder = checkpointer.newest()
    assert folder == directory / "1", folder
    model, training, words = checkpointer.restore(folder, *abstract(state(1, 2), 2))
    for shard in model["params"]["w"].addressable_shards:
        np.testing.assert_array_equal(shard.data, np.arange(64).reshape(8, 8)[shard.index])
    assert words.progress["step"] == int(training["step"]) == 1
    checkpointer.save(3, *state(3, 2), description(3))
    checkpointer.close()


def fail_together(directory: Path, primary: bool) -> None:
    """What goes wrong in process 0 alone is raised in both, and the next save succeeds."""
    checkpointer = Checkpointer(directory)
    (directory / "1.saving").write_text("a file where a folder has to be") if primary else None
    try:
        checkpointer.save(1, *state(1, 2), description(1))
        checkpointer.wait()
    except RuntimeError as error:
        assert "File exists" in str(error) and str(directory) in str(error)
        (directory / "1.saving").unlink() if primary else None
        checkpointer.save(1, *state(1, 2), description(1))
        checkpointer.close()
    else:
        raise AssertionError("the save did not fail")


def main(port: str, index: str, directory: str, job: str) -> None:
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(f"127.0.0.1:{port}", 2, int(index), initialization_timeout=200)
    {"save": save_and_restore, "fail": fail_together}[job](Path(directory), index == "0")
    print("done", flush=True)
    os._exit(0)  # nothing is left to do, and a peer that failed is not waited for


if __name__ == "__main__":
    main(*sys.argv[1:])
