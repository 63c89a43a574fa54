"""Seconds from the command to the first finished step, with an empty and with a filled compilation cache.

    python -m benchmarks.start [--config=configs/quickstart.py] [--rounds=3] [--parts]

`--parts` says what one process does with them, as a table: what is imported, built, traced, lowered, compiled or read
from the cache. Programs that take less than 50 ms stand together.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from contextlib import AbstractContextManager
from pathlib import Path

from benchmarks.harness import Times
from vlp.command import OBJECTS
from vlp.huge_pages import HUGE_PAGES, TUNABLES

ROOT = Path(__file__).resolve().parents[1]
EVENTS = {
    "/jax/core/compile/jaxpr_trace_duration": "traced",
    "/jax/core/compile/jaxpr_to_mlir_module_duration": "lowered",
    "/jax/core/compile/backend_compile_duration": "compiled or read",
}
SMALL = 0.05  # seconds of a program that stands with others


def flags_of(config: str, workdir: Path) -> list[str]:
    return [f"--config={config}", f"--workdir={workdir}", "--config.log.every=1"]


def seconds_to_first_step(config: str, workdir: Path, cache: Path) -> float:
    """Starts a run, waits for the first line of metrics.jsonl, and stops the run."""
    command = [sys.executable, str(ROOT / "main.py"), *flags_of(config, workdir)]
    environment, taken = {**os.environ, "XDG_CACHE_HOME": str(cache)}, Times[None]()
    with taken.round():
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while not (workdir / "metrics.jsonl").exists() and process.poll() is None:
            time.sleep(0.02)
    process.kill()
    process.wait()
    return taken.seconds


def parts(config: str, workdir: Path, cache: Path) -> str:
    """Returns the table of a process of its own."""
    command = [sys.executable, "-m", "benchmarks.start", f"--of={workdir}", f"--config={config}"]
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache), TUNABLES: HUGE_PAGES}
    return subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def own_parts(config: str, workdir: Path) -> None:
    """Goes to the first step in this process, and prints what took how long."""
    gc.set_threshold(OBJECTS)  # as the command does
    laps: dict[str, Times[None]] = {}

    def lap(name: str) -> AbstractContextManager[None]:
        laps[name] = Times()
        return laps[name].round()

    with lap("imported and resolved: the command"):
        import main as door

        _, job = door.prepare(flags_of(config, workdir))
    with lap("imported: what a run needs"):
        from jax import monitoring

        from vlp.runs.run import Run
        from vlp.training.throughput import measured_matmul_peak
    programs: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def count(event: str, duration_secs: float, **details: str | int) -> None:
        if event in EVENTS:
            programs[str(details.get("fun_name"))][EVENTS[event]] += duration_secs

    monitoring.register_event_duration_secs_listener(count)
    with lap("built: data, tokenizer, stages, evaluators"):
        run = Run(job.config, job.workdir)
        run.open()
    with lap("made: the first state"):
        state, step = run.starting_state()
    with lap("measured: the machine's matmul peak"):
        measured_matmul_peak(job.config.model.dtype)
    with lap("read: the first batch; made: the first step"):
        float(next(run.steps(state, step, lambda *_: (), 1)).metrics["loss"])
    seconds = {name: taken.seconds for name, taken in laps.items()}
    for name, spent_there in {**seconds, "in all": sum(seconds.values())}.items():
        print(f"| {name} | {spent_there:.2f} | | | |")
    small: Counter[str] = Counter()
    for name, spent in sorted(programs.items(), key=lambda one: -one[1].total()):
        if spent.total() < SMALL:
            small += spent
        else:
            print(_row(name, spent))
    print(_row("others", small), flush=True)
    os._exit(0)  # without waiting for threads that read ahead


def _row(name: str, spent: Counter[str]) -> str:
    seconds = [spent.total(), *(spent[kind] for kind in EVENTS.values())]
    return f"| of that {name} | {' | '.join(f'{one:.2f}' for one in seconds)} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", default="configs/quickstart.py")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--parts", action="store_true")
    parser.add_argument("--of", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.of:
        own_parts(options.config, Path(options.of))
        return
    cold, warm = [], []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.rounds):
            cache = Path(folder) / f"cache{number}"
            for name, taken in (("cold", cold), ("warm", warm)):
                workdir = Path(folder) / f"{name}{number}"
                taken.append(seconds_to_first_step(options.config, workdir, cache))
        for name, taken in (("empty", cold), ("filled", warm)):
            print(
                f"| {name} | {statistics.median(taken):.1f} | {min(taken):.1f} to {max(taken):.1f} |",
                flush=True,
            )
        if options.parts:
            for name in ("empty", "filled"):
                print(f"\n| {name} | s | {' | '.join(EVENTS.values())} |\n| --- |" + " --- |" * 4)
                print(parts(options.config, Path(folder) / name, Path(folder) / "own"), end="")


if __name__ == "__main__":
    main()
