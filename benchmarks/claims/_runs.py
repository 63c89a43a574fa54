"""Running steps: each once, in a folder of its own."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.claims._claim import Recipe, Step, command, digest, filled

ROOT = Path(__file__).resolve().parents[2]
DONE = "done.json"


class Failed(Exception):
    """Says in one line which step failed and where its output is."""


def run(step: Step, seed: int, recipe: Recipe, output: Path) -> Path:
    """Runs what a step needs, and the step unless it is done; returns its folder.

    Raises:
      Failed: a command failed, or left no sign of having finished.
    """
    seed = seed if step.seed is None else step.seed
    needs = {name: str(run(one, seed, recipe, output)) for name, one in step.needs.items()}
    folder = output / digest(step, seed, recipe)
    if not (folder / DONE).exists():
        shutil.rmtree(folder, ignore_errors=True)  # what an interrupted run has left
        folder.mkdir(parents=True)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        arguments = [
            filled(flag, folder=str(folder), **needs) for flag in command(step, seed, recipe)
        ]  # of no flags for a function
        if step.function:
            _call(step, seed, folder, needs)
        else:
            _main(arguments, folder)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        (folder / DONE).write_text(json.dumps({"arguments": arguments, "processor_seconds": round(seconds)}))
    return folder


def processor_seconds(folder: Path) -> int:
    """Returns what the last step of a run took, compilation included."""
    return int(json.loads((folder / DONE).read_text())["processor_seconds"])


def _call(step: Step, seed: int, folder: Path, needs: dict[str, str]) -> None:
    assert step.function is not None
    own = {"seed": seed} if step.seeded else {}
    paths = {name: Path(path) for name, path in needs.items()}
    step.function(folder=folder, **paths, **step.values, **own)


def _main(arguments: list[str], folder: Path) -> None:
    """`python main.py ARGUMENTS`, whose output goes into the folder."""
    log = folder.with_suffix(".txt")  # beside: some jobs refuse a folder that holds anything
    with log.open("w") as out:
        program = [sys.executable, str(ROOT / "main.py"), *arguments]
        code = subprocess.run(program, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, check=False).returncode
    if code:
        last = (log.read_text(errors="replace").strip().splitlines() or ["no output"])[-1]
        raise Failed(f"{last[:300]} (exit code {code}, all of it in {log})")
    log.unlink()
