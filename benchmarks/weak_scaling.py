"""Weak scaling of the training step on 1, 2, 4 and 8 CPU devices of one machine, the pairs a device fixed.

What a device computes, holds and sends is read in the compiled program (vlp/planning), so it holds on any machine; the
time does not, for CPU devices share the cores: beyond as many devices as there are cores a step can only get longer.
Of a contrast something has to grow: every device compares its rows with all columns.

    python -m benchmarks.weak_scaling [--devices=1,2,4,8] [--processes] [--local_batch=16] [--steps=5]

With --processes each device is that of a process of its own, and what they send goes through the host's network.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import Any

from benchmarks.harness import PLAIN, joined

MESHES = {"data": {"data": -1, "fsdp": 1}, "fsdp": {"data": 1, "fsdp": -1}}
LOSSES = {"dense": 0, "in chunks": 8}
HEADER = (
    "| mesh | loss | devices | GFLOP | MB held | MB within a step | collectives | MB sent | ms a step |",
    "| --- |" + " --- |" * 8,
)


def measured(mesh: str, chunk: int, devices: int, options: argparse.Namespace, rest: list[str]) -> dict:
    """All figures of one row, of a process that has so many devices."""
    flags = [f"--config.mesh.{axis}={size}" for axis, size in MESHES[mesh].items()]
    flags += [
        f"--config.batch_size={devices * options.local_batch}",
        f"--config.objectives.contrastive.chunk={chunk}",
    ]
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": str(devices)}
    command = [
        sys.executable,
        "-m",
        "benchmarks.weak_scaling",
        "--alone",
        f"--steps={options.steps}",
        *flags,
        *rest,
    ]
    said = joined(command, devices if options.processes else 1, environment)
    return json.loads(said.splitlines()[-1])


def answer(steps: int, rest: list[str]) -> dict[str, Any]:
    """What a row's process does: compiles the step for the devices at hand, and makes some."""
    import jax

    import main as door
    from benchmarks.gpu_rows import noise
    from benchmarks.harness import Times
    from vlp.planning.compile import abstract_batch, held_bytes
    from vlp.planning.program import read_program
    from vlp.runs.startup import start_devices
    from vlp.training.build import build_training

    config = door.prepare([PLAIN, *rest, "--workdir=unused"])[1].config
    mesh = start_devices(config)
    training = build_training(config, vocabulary_size=1024, mesh=mesh)
    fields = abstract_batch(config, training.fields, mesh, {})
    compiled = training.train_step.lower(training.abstract_state, fields).compile()
    program = read_program(compiled.as_text())
    batch, times = jax.tree.map(noise, fields), Times[Any]()
    times.result = compiled(training.initial_state(), batch)
    jax.block_until_ready(times.result)
    for _ in range(steps):
        times.run(lambda: jax.block_until_ready(compiled(times.result[0], batch)))
    return {
        "flops": program.flops,
        "held": sum(held_bytes(training, fields).values()),
        "temporaries": compiled.memory_analysis().temp_size_in_bytes,
        "collectives": [[one.kind, one.count, one.bytes] for one in program.collectives if one.group > 1],
        "seconds": times.seconds,
    }


def row(mesh: str, loss: str, devices: int, found: dict[str, Any]) -> str:
    """A line of the table; everything is of one device."""
    kinds: dict[str, int] = {}
    for kind, count, _ in found["collectives"]:
        kinds[kind] = kinds.get(kind, 0) + count
    cells = [mesh, loss, str(devices), f"{found['flops'] / 1e9:.2f}", f"{found['held'] / 1e6:.1f}"]
    cells += [f"{found['temporaries'] / 1e6:.0f}"]
    cells += [", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) or "none"]
    cells += [f"{sum(size for *_, size in found['collectives']) / 1e6:.1f}", f"{1e3 * found['seconds']:.0f}"]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--devices", default="1,2,4,8")
    parser.add_argument("--local_batch", type=int, default=16, help="pairs a device")
    parser.add_argument("--steps", type=int, default=5, help="timed, after one that is not")
    parser.add_argument("--processes", action="store_true", help="a process for each device")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    options, rest = parser.parse_known_args()
    if options.alone:
        answers, sys.stdout = sys.stdout, sys.stderr
        print(json.dumps(answer(options.steps, rest)), file=answers)
        return
    print(
        f"quickstart's towers, {options.local_batch} pairs a device; {os.cpu_count()} cores",
        *HEADER,
        sep="\n",
    )
    for mesh in MESHES:
        for loss, chunk in LOSSES.items():
            for devices in map(int, options.devices.split(",")):
                found = measured(mesh, chunk, devices, options, rest)
                print(row(mesh, loss, devices, found), flush=True)


if __name__ == "__main__":
    main()
