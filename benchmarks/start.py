"""Seconds from the command to the first finished step, with an empty and with a filled compilation cache.

python -m benchmarks.start [--config=configs/quickstart.py]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.harness import Times

ROOT = Path(__file__).resolve().parents[1]


def seconds_to_first_step(config: str, workdir: Path, cache: Path) -> float:
    """Starts a run, waits for the first line of metrics.jsonl, and stops the run."""
    command = [
        sys.executable,
        str(ROOT / "main.py"),
        f"--config={config}",
        f"--workdir={workdir}",
        "--config.log.every=1",
    ]
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", default="configs/quickstart.py")
    config = parser.parse_args().config
    with tempfile.TemporaryDirectory() as folder:
        for name in ("cold", "warm", "warm again"):
            workdir = Path(folder) / name.replace(" ", "_")
            print(
                f"{name:<12} {seconds_to_first_step(config, workdir, Path(folder) / 'cache'):6.1f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
