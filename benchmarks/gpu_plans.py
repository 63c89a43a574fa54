"""The rows of gpu.py, compiled for a GPU that is not here: kernels, products, bytes of main memory, by the compiler.

The very steps that gpu.py runs. Counts are not times: products and main memory are put at the card's published peaks,
and MFU is from nothing overlapping to everything. Needs requirements-gpu-plan.txt; a row takes half a minute.

    python -m benchmarks.gpu_plans [--card=h100] [--models=b32,b16,l14] [--batches=1024]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from benchmarks import gpu, gpu_rows
from benchmarks.gpu_rows import Row
from vlp.configuration import resolve
from vlp.planning.compile import compile_step, trace_step
from vlp.planning.estimate import estimate
from vlp.planning.topology import Topology, open_topology

HEADER = (
    "| model | batch | attention | loss | remat | blocks | kernels | FLOPs | products, ms | memory, ms | GiB "
    "| MFU, % |"
)


def rows(models: list[str], batches: list[int]) -> Iterator[tuple[Row, str]]:
    """Ours, without what only trying out decides, and of each model once its blocks in a scan."""
    for row in dict.fromkeys(gpu.rows(models, batches)):
        if row.contestant == "vlp" and not row.xla_flags:
            yield row, "auto"
    for model in models:
        yield Row(model, batches[0]), "scan"


def line(row: Row, blocks: str, card: Topology) -> str:
    """A line of the table."""
    config = gpu_rows.config_of(row)
    config.model.scan_blocks = blocks
    config = resolve(config)
    step = compile_step(config, trace_step(config, card, vocabulary_size=gpu_rows.vocabulary(row), shapes={}))
    found = estimate(config, step, card)
    if step.program is None or step.needed is None or card.chip is None:
        raise SystemExit(f"{row}: {step.refusal or 'the compiled program cannot be read'}")
    kernels = sum(one.count for one in step.program.movers)
    best, worst = (100 * found.mfu(seconds) for seconds in found.step_seconds)
    needed = f"{step.needed / 2**30:.1f}" + " (does not fit)" * (step.needed > card.chip.memory)
    times = [f"{1e3 * found.seconds[kind]:.1f}" for kind in ("matrix products", "main memory")]
    loss = f"chunks of {row.chunk}" if row.chunk else "dense"
    cells = [row.model, f"{row.batch:,}", row.attention, loss, row.remat, blocks]
    cells += [f"{kernels:,}", f"{found.extra:.2f}", *times, needed, f"{worst:.0f} to {best:.0f}"]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--card", default="h100")
    parser.add_argument("--models", default="b32,b16,l14")
    parser.add_argument("--batches", default="1024", help="pairs, ascending")
    options = parser.parse_args()
    card = open_topology(f"{options.card}:1x1")
    if card.stood_for:
        raise SystemExit("XLA's compiler for GPUs is not installed: pip install -r requirements-gpu-plan.txt")
    print(HEADER, "|" + " --- |" * (HEADER.count("|") - 1), sep="\n", flush=True)
    for row, blocks in rows(options.models.split(","), [int(size) for size in options.batches.split(",")]):
        print(line(row, blocks, card), flush=True)


if __name__ == "__main__":
    main()
