"""One of two processes of a run. Arguments: port, index, folder, what to do."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
from checkpoint_states import abstract, description, sharding

from vlp.checkpoint import Checkpointer, Replicas
from vlp.checkpoint.arrays import load_arrays
from vlp.checkpoint.description import read_description
from vlp.processes.agreement import from_first


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


def lose_a_host(directory: Path, primary: bool) -> None:
    """What one host has lost comes from the other, where that holds it as well."""
    vouched: list[int] = []
    host = directory / ("first" if primary else "second")

    def opened(run: int) -> Replicas:
        return Replicas(
            host / "replicas", run, {"data": 2}, vouch=lambda: vouched.append(run), newest=lambda: 0
        )

    spread, both = state(1, 2), opened(1)
    whole = jax.NamedSharding(sharding(2).mesh, jax.P())
    for step in (1, 2, 3):
        model, training = jax.jit(lambda *trees: trees, out_shardings=whole)(*state(step, 2))
        words = description(step)
        words.progress["of"] = "first" if primary else "second"
        both.save(step, model, training, words)
    both.close(done=False)
    assert sorted(path.name for path in host.glob("replicas/*/*/*")) == ["2", "3"]
    assert vouched == ([1, 1, 1] if primary else [])
    if not primary:
        shutil.rmtree(host)
    elif (folder := host / "replicas" / "00000001" / "0" / "2").exists():
        (folder / "description.json").write_text("{}")  # damaged: 3 is all that is left
    from_first(0)
    found = opened(1).newest(1)
    assert found is not None and found.name == "3" and found.is_relative_to(host)
    wanted = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=whole), spread)
    read = load_arrays(found, dict(zip(("model", "training"), wanted, strict=True)))
    np.testing.assert_array_equal(
        np.asarray(read["model"]["params"]["w"].addressable_data(0)), 3.0 * np.arange(64).reshape(8, 8)
    )
    assert read_description(found).progress == {**description(3).progress, "of": "first"}
    # Nobody goes on from what is older than a checkpoint, or was made after one that has been taken away.
    assert opened(1).newest(3) is None
    for than in (1, -1):
        again = opened(1)
        again.save(5, model, training, description(5))
        again.close(done=False)
        assert (again.newest(than) is None) == (than < 0) and found.exists() == (than > 0)

    # Of what is nowhere twice, a lost host leaves too little; and what another run has left has gone.
    alone = opened(2)
    alone.save(1, *spread, description(1))
    alone.close(done=False)
    assert (
        not found.exists() and opened(2).newest(0) == host / "replicas" / "00000002" / str(1 - primary) / "1"
    )
    if not primary:
        shutil.rmtree(host)
    from_first(0)
    assert opened(2).newest(0) is None


def main(port: str, index: str, directory: str, job: str) -> None:
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(f"127.0.0.1:{port}", 2, int(index), initialization_timeout=200)
    {"save": save_and_restore, "fail": fail_together, "lose": lose_a_host}[job](Path(directory), index == "0")
    print("done", flush=True)
    os._exit(0)  # nothing is left to do, and a peer that failed is not waited for


if __name__ == "__main__":
    main(*sys.argv[1:])
