"""How much of a pod's time makes steps that count, by a simulated clock: failures come, and runs go on.

    python -m benchmarks.goodput [--failures=1.0] [--start=25] [--save=8] [--every=0]
    python -m benchmarks.goodput --kill_every=60 [--kills=5] [--every=5] [--config=FILE]     # a real run

Failures of the whole run come at random, so many an hour. Each costs the time in which the others notice
(`distributed.heartbeat_seconds`), the wait of `launch/supervise`, the start with a filled compilation cache, the
restoring, and the steps since the last save that was whole. `--every=0` saves again as soon as the last save is
whole (`checkpoint.every_minutes=0.001`).

The real run is the quickstart's, whose towers take seconds, or that of another config, under `launch/supervise`. It is
killed by SIGKILL every so many seconds of its life; what it keeps of its own time is in `goodput.json`.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vlp.training.goodput import goodput_in_words

HOUR = 3600.0


@dataclass(frozen=True)
class Times:
    """Seconds.

    Attributes:
      failure: between two failures, on average.
      notice: until the others end.
      wait: of the supervisor.
      start: of a process until its first step.
      restore: of the state.
      copy: in which the loop stands still for a save.
      save: until it is whole.
      every: between the beginnings of two saves; 0 = again at once.
    """

    failure: float
    notice: float
    wait: float
    start: float
    restore: float
    copy: float
    save: float
    every: float


def simulated(times: Times, hours: float, seed: int) -> dict[str, float]:
    """Returns the shares of a time that went into steps that count, and into what else."""
    dice, now, end = np.random.default_rng(seed), 0.0, hours * HOUR
    spent = dict.fromkeys(
        ("steps", "copying", "lost steps", "noticing and waiting", "starting and restoring"), 0.0
    )
    interval = max(times.every, times.save)
    while now < end:
        down = times.start + times.restore
        lives = dice.exponential(times.failure)  # from the moment that it is started
        up = max(0.0, min(lives, end - now) - down)
        spent["starting and restoring"] += min(lives, end - now, down)
        saves = int(up // interval)  # that have begun; the last one may not be whole
        whole = saves if up - saves * interval >= times.save else max(0, saves - 1)
        copying = min(up, saves * times.copy)
        kept = max(0.0, whole * interval - whole * times.copy) if now + lives < end else up - copying
        spent["copying"] += copying
        spent["steps"] += kept
        spent["lost steps"] += up - copying - kept
        now += min(lives, end - now)
        away = min(times.notice + times.wait, max(0.0, end - now))
        spent["noticing and waiting"] += away
        now += away
    return {name: seconds / end for name, seconds in spent.items()}


def killed(config: str, workdir: Path, kill_every: float, kills: int, every: float) -> None:
    """Has a run made that is killed now and then, until it has been so often; then it is told to stop."""
    run = ["main.py", f"--config={config}", f"--workdir={workdir}", "--config.evaluators={}"]
    flags = ["--config.steps=1000000", "--config.log.every=5", "--config.checkpoint.every=0"]
    flags += [
        f"--config.checkpoint.every_minutes={max(every, 0.06) / 60}",
        "--config.optimizer.schedule.name=constant",
    ]
    supervise = [sys.executable, "launch/supervise", "--wait=1", f"--workdir={workdir}", "--", sys.executable]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([*supervise, *run, *flags], **quiet)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    for _ in range(kills):
        known = children.read_text().split()
        time.sleep(kill_every)
        for child in known:
            os.kill(int(child), signal.SIGKILL)
        while set(children.read_text().split()) <= set(known):  # until it is started again
            time.sleep(0.1)
    time.sleep(kill_every)
    process.terminate()
    process.wait()


def main() -> None:
    """Prints the shares."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    defaults = {
        "notice": 25.0,
        "wait": 10.0,
        "start": 25.0,
        "restore": 5.0,
        "copy": 0.05,
        "save": 8.0,
        "every": 0.0,
    }
    for name, value in defaults.items():
        parser.add_argument(f"--{name}", type=float, default=value, help="seconds")
    parser.add_argument("--failures", type=float, default=1.0, help="an hour")
    parser.add_argument("--hours", type=float, default=1000.0)
    parser.add_argument(
        "--kill_every", type=float, default=0.0, help="seconds between two kills of a real run"
    )
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--config", default="configs/quickstart.py:plain", help="of the real run")
    options = vars(parser.parse_args())
    config, kill_every, kills = (options.pop(name) for name in ("config", "kill_every", "kills"))
    if kill_every:
        with tempfile.TemporaryDirectory() as folder:
            killed(config, Path(folder), kill_every, kills, options["every"])
            print(f"killed every {kill_every:g} s, {kills} times: {goodput_in_words(Path(folder))}")
        return
    hours, failures = options.pop("hours"), options.pop("failures")
    found = simulated(Times(failure=HOUR / failures, **options), hours, seed=0)
    print(f"{failures:g} failures an hour, {hours:g} hours: goodput {found['steps']:.1%}")
    for name, share in found.items():
        print(f"  {name:<24} {share:7.2%}")


if __name__ == "__main__":
    main()
