"""What the stages of a run are worth: pairs per second, MFU and FLOPs of each.

python -m benchmarks.stages [--config=FILE] [--steps=15] [--resolution=32] [--text_length=10] [--patch_dropout=0.5]

Trains so many steps at the reduced sizes, as many at the sizes alone, and as many of the config itself, in one run.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]


def flags(given: argparse.Namespace, workdir: Path) -> list[str]:
    """The command's: three stages, no evaluation, a log line a step."""
    steps = given.steps
    off = [
        f"--config.evaluators.{name}.{key}"
        for name in ("zero_shot", "retrieval")
        for key in ("every=0", "final=false")
    ]
    return [
        f"--config={given.config}",
        f"--workdir={workdir}",
        f"--config.steps={3 * steps}",
        f"--config.stages.until={steps},{2 * steps}",
        f"--config.stages.resolution={given.resolution},{given.resolution}",
        f"--config.stages.text_length={given.text_length},{given.text_length}",
        f"--config.stages.patch_dropout={given.patch_dropout},0",
        "--config.model.image.patch_dropout=0",
        "--config.checkpoint.every=0",
        "--config.log.every=1",
        "--config.log.tensorboard=false",
        *off,
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", default="configs/quickstart.py:plain")
    for name, default in (("steps", 15), ("resolution", 32), ("text_length", 10)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--patch_dropout", type=float, default=0.5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(ROOT / "main.py"), *flags(given, Path(folder))]
        subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        lines = [json.loads(line) for line in (Path(folder) / "timings.jsonl").read_text().splitlines()]
        log = (Path(folder) / "logs" / "0.log").read_text().splitlines()
    names = [line.partition("stage ")[2] for line in log if " INFO stage " in line]
    speeds = []
    for number, name in enumerate(names):
        # The first step compiles, the second is slow where the machine has to find memory.
        part = lines[number * given.steps + 2 : (number + 1) * given.steps]
        speeds.append(median(line["pairs_per_second"] for line in part))
        mfu = median(line["mfu"] for line in part)
        print(f"stage {name:<70} {speeds[-1]:8.0f} pairs/s  mfu {mfu:.0%}")
    print(f"to the last stage: {', '.join(f'{speed / speeds[-1]:.2f}' for speed in speeds)} times as fast")
    print(f"steps compiled: {lines[-1]['compiled_steps']}")


if __name__ == "__main__":
    main()
