"""Kills runs in a bucket again and again, and compares the bits that they leave with those of runs that nobody touched.

    python -m benchmarks.kills --kills=100 [--processes=2] [--store=s3] [--local_every=1]

The bucket is that of a real server on this machine (`benchmarks/object_store.py`). After every kill the run goes on
with an empty cache, as on another machine: what it has is the bucket. A run of several processes loses one of them.
With `--local_every` nothing is saved for good before the end: what the run goes on from are its hosts' replicas.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.object_store import amazon_store, google_store
from input_pipeline.buckets import Bucket

RUN = (
    "--config=configs/quickstart.py:runlocal",
    "--config.batch_size=16",
    "--config.log.every=1",
    "--config.log.tensorboard=false",
    "--config.checkpoint.every=2",
    "--config.distributed.heartbeat_seconds=8",
    "--config.model.image.depth=1",
    "--config.model.text.depth=1",
    "--config.evaluators={}",
)
DIGESTED = ("metrics.jsonl",)


def started(
    workdir: str, steps: int, processes: int, cache: Path, more: list[str]
) -> subprocess.Popen[bytes]:
    """Starts the run in a group of processes of its own."""
    shutil.rmtree(cache / "vlp" / "runs", ignore_errors=True)
    environment = {
        **os.environ,
        "JAX_PLATFORMS": "cpu",
        "JAX_NUM_CPU_DEVICES": "1",
        "XDG_CACHE_HOME": str(cache),
    }
    begin = ["main.py"] if processes == 1 else ["launch/local", f"--processes={processes}", "--"]
    command = [sys.executable, *begin, *RUN, *more, f"--config.steps={steps}", f"--workdir={workdir}"]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )


def victim(process: subprocess.Popen[bytes], processes: int, dice: random.Random) -> int:
    """Returns the number of the process to kill: that of a single run, or of one of the launcher's children."""
    if processes == 1:
        return process.pid
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return int(dice.choice(children)) if children else process.pid


def left(address: str, steps: int) -> dict[str, str]:
    """Returns digests of what a finished run has left: metrics, and the arrays of its last checkpoint."""
    bucket = Bucket(address)
    arrays = [
        name
        for name in bucket.versions(f"checkpoints/{steps}")
        if name.endswith(("manifest.ocdbt", ".safetensors"))
    ]
    names = [*DIGESTED, *(name for name in arrays if name.endswith(".safetensors"))]
    return {name: hashlib.sha256(bucket.read(name)).hexdigest() for name in names} | _values(address)


def _values(address: str) -> dict[str, str]:
    """Digests of the last checkpoint's arrays, however they are stored."""
    import jax

    from vlp.checkpoint import find_checkpoint, load_model_arrays

    tree = load_model_arrays(find_checkpoint(address))
    return {
        jax.tree_util.keystr(path): hashlib.sha256(leaf.tobytes()).hexdigest()
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


def killed_run(
    address: str,
    steps: int,
    processes: int,
    cache: Path,
    dice: random.Random,
    most: int,
    more: list[str],
    seconds: float = 0.0,
) -> int:
    """Has a run made to its end, with kills on the way; returns how many it took.

    A kill comes after 15 to 60 % of `seconds`, what a run takes that nobody kills: on a slow machine
    later, so that runs get somewhere between two of them.
    """
    kills = 0
    while True:
        process = started(address, steps, processes, cache, more)
        deadline = time.monotonic() + (dice.uniform(0.15, 0.6) * seconds if kills < most else 600.0)
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        if process.poll() == 0:
            return kills
        if process.poll() is None:
            with_it = victim(process, processes, dice)
            os.kill(with_it, signal.SIGKILL)
            kills += 1
        try:
            process.wait(90)
        except subprocess.TimeoutExpired:  # killed before all had joined, the others wait for start_seconds
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def main() -> None:
    """Prints kills and how many digests differ."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--store", choices=("gs", "s3"), default="gs")
    parser.add_argument("--local_every", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    local = f"--config.checkpoint.local_every={options.local_every}"
    more = [local, "--config.checkpoint.every=1000"] if options.local_every else []
    dice, kills, differing, runs = random.Random(options.seed), 0, 0, 0
    store = google_store if options.store == "gs" else amazon_store
    with tempfile.TemporaryDirectory() as folder, store() as (_, environment):
        os.environ.update(environment, XDG_CACHE_HOME=folder)
        place, steps = f"{options.store}://bucket/runs", options.steps
        run = (steps, options.processes, Path(folder), dice)
        begun = time.monotonic()
        assert killed_run(f"{place}/untouched", *run, 0, []) == 0
        seconds = time.monotonic() - begun
        wanted = left(f"{place}/untouched", steps)
        while kills < options.kills:
            address = f"{place}/{runs}"
            kills += killed_run(address, *run, options.kills - kills, more, seconds)
            found, runs = left(address, steps), runs + 1
            differing += sum(found.get(name) != digest for name, digest in wanted.items())
            print(
                f"{kills} kills, {runs} runs, {differing} of {len(wanted) * runs} digests differ", flush=True
            )


if __name__ == "__main__":
    main()
