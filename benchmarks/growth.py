"""How cost grows: a row is one cost at several sizes, measured in processes of their own or read in compiled programs.

The last column is the exponent of the last step: 0 is flat, 1 linear, 2 quadratic. What is compiled is not run, so its
sizes are beyond what this machine could hold; memory is the peak above what is named in the row.

    python -m benchmarks.growth [--only=contrast,loader,kmeans,ranks,compile,checkpoint] [--sizes=1024,2048]
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import Times, forget_peak, memory


def contrast(batch: int, *, chunk: int) -> float:
    """MB of temporaries of the softmax contrast with its gradients, by compilation; chunk 0 is the whole matrix."""
    import jax
    import jax.numpy as jnp

    from benchmarks.contrastive_loss import loss_of

    loss, rows = loss_of(batch, chunk), jax.ShapeDtypeStruct((batch, 512), jnp.float32)
    step = jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2), has_aux=True))
    compiled = step.lower(rows, rows, jax.ShapeDtypeStruct((), jnp.float32)).compile()
    return compiled.memory_analysis().temp_size_in_bytes / 1e6


def loader(records: int) -> float:
    """MB that 20 shuffled batches of 256 texts add to a process, from opening the shards on."""
    from benchmarks.sources import make_shards
    from benchmarks.stream import make

    with tempfile.TemporaryDirectory() as folder:
        shards = Path(folder) / "shards"
        make_shards("array_record", shards, max(1, records // 10_000), records)
        source = {"format": "array_record", "path": str(shards), "weight": 1.0}
        before = forget_peak()
        rows = make({"sources": {"own": source}}, ("text", "text_mask")).host_batches()
        for number in range(20):
            rows(number)
        return (memory("VmHWM") - before) / 1e6


def kmeans(points: int) -> float:
    """MB above the points (in float32, 128 dimensions) that three iterations with 256 centres take."""
    from benchmarks.kmeans import mixture, ours

    rows = mixture(points, 128)
    ours(rows[:10_000], rows[:256].copy(), 1)()
    before = forget_peak()
    ours(rows, rows[:256].copy(), 3)()
    return (memory("VmHWM") - before) / 1e6


def ranks(candidates: int) -> float:
    """MB above the embeddings (512 dimensions) that the ranks of 500 queries take."""
    from benchmarks.search import unit_rows
    from vlp.neighbours.ranks import best_ranks

    rows = unit_rows(candidates, 512, 0)
    queries, pairs = rows[:500].copy(), np.stack([np.arange(500)] * 2, axis=1)
    best_ranks(queries, rows[:10_000], pairs)
    before = forget_peak()
    best_ranks(queries, rows, pairs)
    return (memory("VmHWM") - before) / 1e6


def compiling(depth: int, *, blocks: str) -> float:
    """Seconds to compile the quickstart's step with image towers so deep."""
    import jax

    import main as door
    from vlp.configuration import validate_devices
    from vlp.parallel.mesh import make_mesh
    from vlp.planning.compile import abstract_batch
    from vlp.training.build import build_training

    flags = (f"--config.model.image.depth={depth}", f"--config.model.scan_blocks={blocks}")
    config = door.prepare(["--config=configs/quickstart.py:runlocal", *flags, "--workdir=unused"])[1].config
    mesh = make_mesh(validate_devices(config, jax.device_count()))
    jax.set_mesh(mesh)
    training = build_training(config, vocabulary_size=1024, mesh=mesh)
    lowered = training.train_step.lower(
        training.abstract_state, abstract_batch(config, training.fields, mesh, {})
    )
    times = Times[Any]()
    times.run(lowered.compile)
    return times.seconds


def checkpoint(devices: int) -> float:
    """MB on the disk of a checkpoint that so many devices hold in parts (`mesh.fsdp`)."""
    assert devices == int(os.environ["JAX_NUM_CPU_DEVICES"])
    with tempfile.TemporaryDirectory() as folder:
        flags = (
            "--config.steps=1",
            "--config.evaluators={}",
            "--config.mesh.data=1",
            "--config.mesh.fsdp=-1",
        )
        command = [sys.executable, "main.py", "--config=configs/quickstart.py:runlocal", *flags]
        subprocess.run([*command, f"--workdir={folder}"], check=True, stdout=subprocess.DEVNULL)
        files = [file for file in (Path(folder) / "checkpoints").rglob("*") if file.is_file()]
        return sum(file.stat().st_size for file in files) / 1e6


@dataclass(frozen=True)
class Row:
    """A cost, of what it is a function, and at which sizes it is taken."""

    group: str
    cost: str
    of: str
    sizes: tuple[int, ...]
    measure: Callable[[int], float]


ROWS = (
    Row(
        *("contrast", "contrast in tiles of 512, MB by compilation", "batch"),
        sizes=(16384, 32768, 65536, 131072),
        measure=functools.partial(contrast, chunk=512),
    ),
    Row(
        *("contrast", "contrast as one matrix, MB by compilation", "batch"),
        sizes=(16384, 32768, 65536, 131072),
        measure=functools.partial(contrast, chunk=0),
    ),
    Row("loader", "stream of texts, MB", "records", (1_000, 10_000, 100_000, 1_000_000), loader),
    Row("kmeans", "k-means, MB above the points", "points", (50_000, 100_000, 200_000, 400_000), kmeans),
    Row("ranks", "ranks, MB above the embeddings", "candidates", (20_000, 80_000, 320_000, 1_280_000), ranks),
    Row(
        *("compile", "compiling the step, blocks scanned, s", "image blocks"),
        sizes=(4, 8, 16, 32),
        measure=functools.partial(compiling, blocks="scan"),
    ),
    Row(
        *("compile", "compiling the step, each block its own, s", "image blocks"),
        sizes=(4, 8, 16, 32),
        measure=functools.partial(compiling, blocks="unroll"),
    ),
    Row("checkpoint", "checkpoint, MB", "devices", (1, 2, 4, 8), checkpoint),
)


def alone(place: int, size: int) -> float:
    """Measures one row at one size in a process of its own."""
    devices = size if ROWS[place].group == "checkpoint" else 1
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": str(devices)}
    command = [sys.executable, "-m", "benchmarks.growth", f"--alone={place},{size}"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    return float(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="groups of rows, by commas")
    parser.add_argument("--sizes", default="", help="two or more, by commas, in the place of the rows' own")
    parser.add_argument("--alone", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        answers, sys.stdout = sys.stdout, sys.stderr
        place, size = map(int, options.alone.split(","))
        print(json.dumps(ROWS[place].measure(size)), file=answers)
        return
    given = tuple(int(size) for size in options.sizes.split(",") if size)
    print("| cost | of | sizes | costs | grows as size to the power of |\n| --- | --- | --- | --- | --- |")
    for place, row in enumerate(ROWS):
        if options.only and row.group not in options.only.split(","):
            continue
        taken = given or row.sizes
        costs = [alone(place, size) for size in taken]
        power = math.log(costs[-1] / costs[-2]) / math.log(taken[-1] / taken[-2]) if all(costs) else 0.0
        sizes = ", ".join(f"{size:,}" for size in taken)
        told = ", ".join(f"{cost:,.1f}" for cost in costs)
        print(f"| {row.cost} | {row.of} | {sizes} | {told} | {power:.2f} |", flush=True)


if __name__ == "__main__":
    main()
