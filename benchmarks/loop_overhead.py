"""What the training loop adds to the compiled step: data, hand-over, hooks, logging.

Alternates stretches of the real loop (real data, real hooks, no evaluation and no checkpoint) with stretches of the
bare compiled step on one batch that already lies on the device.

    python -m benchmarks.loop_overhead [--config=FILE] [--steps=20] [--rounds=3] [--config.KEY=VALUE]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

import jax
from absl import flags

import main as door
from benchmarks.harness import PLAIN, Times
from vlp.parallel.sharding import global_batch
from vlp.runs.run import Run
from vlp.training.goodput import Goodput
from vlp.training.hooks import Advance, Log
from vlp.training.loop import run_hooks, training_steps
from vlp.training.observing import Compilations
from vlp.training.progress import Progress
from vlp.training.state import TrainState
from vlp.training.writers import MetricsWriter


def loop(
    run: Run, state: TrainState, batches: Iterator, steps: int, workdir: str
) -> tuple[TrainState, float, float]:
    """The state after some steps of the real loop, seconds a step, and the share of them spent waiting for data."""
    timer, training = run.stage.timer(0.0), run.stage.training
    with (
        MetricsWriter(workdir, tensorboard=False) as writer,
        Progress(steps) as progress,
        Compilations() as compilations,
    ):
        goodput = Goodput(Path(workdir), step=0, undone=lambda: 0)
        hooks = [
            Advance(progress, timer, goodput, _started=True),
            run.counters,
            Log(10, writer, progress, timer, (run.counters,), compilations, goodput, steps),
        ]
        whole, timed = Times[None](), Waited(batches)
        with whole.round():
            for info in training_steps(
                training.train_step,
                state,
                timed,
                start=0,
                steps=steps,
                mesh=run.mesh,
                fields=training.fields,
                timer=timer,
            ):
                run_hooks(hooks, info)
            jax.block_until_ready(info.state)
    return info.state, whole.seconds / steps, sum(timed.waits.wall) / whole.seconds


class Waited:
    """An iterator that times how long it is waited for."""

    def __init__(self, iterator: Iterator):
        self.iterator, self.waits = iterator, Times[None]()

    def __next__(self):
        with self.waits.round():
            return next(self.iterator)


def bare(run: Run, state: TrainState, batch: dict, steps: int) -> tuple[TrainState, float]:
    """The state after some steps on one batch, and seconds a step."""
    times = Times[TrainState]()

    def stretch() -> TrainState:
        own = state
        for _ in range(steps):
            own, metrics = run.stage.training.train_step(own, batch)
            jax.block_until_ready(metrics)
        return own

    times.run(stretch)
    assert times.result is not None
    return times.result, times.seconds / steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    options, rest = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as workdir:
        _, job = door.prepare([PLAIN, *rest, f"--workdir={workdir}"])
        flags.FLAGS.mark_as_parsed()
        run = Run(job.config, job.workdir)
        training, batches = run.stage.training, run.stage.batches(0)
        state = training.initial_state()
        first = next(batches)
        batch = global_batch({name: first[name] for name in training.fields}, run.mesh)
        state, _ = bare(run, state, batch, 2)
        looped, stripped, waits = Times(), Times(), []
        for _ in range(options.rounds):
            state, seconds = bare(run, state, batch, options.steps)
            stripped.wall.append(seconds)
            state, seconds, waited = loop(run, state, batches, options.steps, workdir)
            looped.wall.append(seconds)
            waits.append(waited)
    ratios = looped.ratios(stripped)
    print(f"bare step  {1e3 * stripped.seconds:8.1f} ms (median of {options.rounds} rounds)")
    print(f"loop step  {1e3 * looped.seconds:8.1f} ms")
    print(
        f"overhead   {100 * (looped.to(stripped) - 1):8.2f} % "
        f"(pair by pair {min(ratios):.3f} to {max(ratios):.3f})"
    )
    print(f"data wait  {100 * statistics.median(waits):8.2f} % of the loop's time")


if __name__ == "__main__":
    main()
