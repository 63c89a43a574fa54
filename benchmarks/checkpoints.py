"""What saving costs the training loop, and what restoring takes: for the quickstart's state and for one of about 1 GB.

Each is a run of `main.py` as it is (no evaluation), in a process of its own, that logs every step and saves every few:
the stalls are what its `timings.jsonl` calls `checkpoint_seconds`. With CPU devices the step after a save is longer
too: what is still being written shares its cores and keeps its memory. The last save, which nothing hides, is waited
for, and a second process goes on from there. The yardstick is copying as many bytes once, into fresh memory, in the
same process.

    python -m benchmarks.checkpoints [--saves=10] [--only=quickstart|large] [--processes=1] [--config.KEY=VALUE]

Of several processes, here of one machine, each copies and writes what it alone has; the figures are the first one's.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.harness import PLAIN, Times, alternated, joined
from vlp.huge_pages import HUGE_PAGES, TUNABLES

ROOT = Path(__file__).resolve().parents[1]
QUIET = ("log.tensorboard=False", *(f"evaluators.{name}.every=0" for name in ("zero_shot", "retrieval")))
QUIET += tuple(f"evaluators.{name}.final=False" for name in ("zero_shot", "retrieval"))
# 85 million parameters and as many moments twice, and so few tokens that a step is mostly its update.
LARGE = {"width": 1056, "heads": 16, "mlp_dim": 4224, "resolution": 16, "patch_size": 8}
STATES = {  # steps from save to save, so many that a save does not wait for the one before; settings
    "quickstart": (8, ()),
    "large": (
        16,
        ("batch_size=8", "model.embed_dim=128", *(f"model.image.{name}={n}" for name, n in LARGE.items())),
    ),
}


def flags_of(name: str, saves: int, rest: list[str]) -> list[str]:
    """Of a run with so many saves that are measured: the stall of the last one is never logged."""
    apart, changes = STATES[name]
    own = (f"steps={apart * (saves + 1)}", f"checkpoint.every={apart}", "log.every=1")
    return [PLAIN, *(f"--config.{change}" for change in (*QUIET, *changes, *own)), *rest]


def train(arguments: list[str], workdir: str) -> dict[str, float]:
    """Runs the job in this process. Returns the size of its state, and the times of copying, saving and verifying."""
    import jax
    import numpy as np
    from absl import flags

    import main as door
    from vlp.runs.run import Run

    _, job = door.prepare([*arguments, f"--workdir={workdir}"])
    flags.FLAGS.mark_as_parsed()
    building, restoring, verifying = (Times[None]() for _ in range(3))
    with building.round():
        run = Run(job.config, job.workdir)
        run.open()
    if run.newest is None:
        run.train()
        leaves = jax.tree.leaves(run.stage.training.abstract_state)
        size = sum(leaf.size * leaf.dtype.itemsize for leaf in leaves)
        return {"bytes": size, "arrays": len(leaves), "copy": copying(np.ones(size, np.uint8))}
    with restoring.round():
        jax.block_until_ready(run.restored(run.newest)[0])
    with verifying.round():
        run.checkpointer.newest()
    return {"restore": restoring.seconds, "verify": verifying.seconds, "build": building.seconds}


def copying(source) -> float:
    """Seconds of a copy into fresh memory, median of five."""
    return alternated({"copy": source.copy}, 5)["copy"].seconds


def measured(name: str, saves: int, processes: int, rest: list[str]) -> dict[str, float | list[float]]:
    """All figures of one state."""
    with tempfile.TemporaryDirectory() as workdir:
        figures = {}
        for _ in ("trains", "goes on"):
            command = [
                sys.executable,
                "-m",
                "benchmarks.checkpoints",
                f"--workdir={workdir}",
                *flags_of(name, saves, rest),
            ]
            said = joined(command, processes, {**os.environ, TUNABLES: HUGE_PAGES})
            figures |= json.loads(said.splitlines()[-1])
        lines = [json.loads(line) for line in (Path(workdir) / "timings.jsonl").read_text().splitlines()]
    after = [line for line in lines if "checkpoint_seconds" in line]
    others = [line["step_seconds"] for line in lines[1:] if line not in after]
    usual = statistics.median(others)
    return figures | {
        "stalls": [line["checkpoint_seconds"] for line in after],
        "longer": statistics.median(line["step_seconds"] for line in after) - usual,
        "step": usual,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--saves", type=int, default=10)
    parser.add_argument("--only", choices=STATES, help="one of the two states")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--workdir", default="", help=argparse.SUPPRESS)
    options, rest = parser.parse_known_args()
    if options.workdir:
        answer, sys.stdout = sys.stdout, sys.stderr
        print(json.dumps(train(rest, options.workdir)), file=answer)
        return
    head = "| state | MB | arrays | copy, ms | stall p50, ms | max | first | next step longer by, ms | of its own |"
    print(f"{head} restore, s | verify, s |")
    print("| --- |" + " --- |" * 10)
    for name in STATES:
        if options.only in (None, name):
            found = measured(name, options.saves, options.processes, rest)
            stalls = [1e3 * seconds for seconds in found["stalls"]]
            later = stalls[1:] or stalls
            print(
                f"| {name} | {found['bytes'] / 1e6:,.0f} | {found['arrays']} | {1e3 * found['copy']:.0f} | "
                f"{statistics.median(later):.0f} | {max(later):.0f} | {stalls[0]:.0f} | "
                f"{1e3 * found['longer']:.0f} | {found['longer'] / found['step']:.0%} | {found['restore']:.2f} | "
                f"{found['verify']:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
