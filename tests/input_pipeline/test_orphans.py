"""A run that is killed outright leaves neither loader processes nor shared memory behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from input_pipeline import orphans

ROOT = Path(__file__).resolve().parents[2]
RUN = """
import sys, time
from input_pipeline.stream import make_stream
from input_pipeline.tokenizers import load_tokenizer
if __name__ == "__main__":
    tokenizer = load_tokenizer(
        {"kind": "sentencepiece", "path": "data/quickstart/tokenizer.model", "length": 16, "vocabulary_size": 0}
    )
    source = {"format": "parquet", "path": sys.argv[1], "weight": 1.0}
    image = {"crop_scale": (1.0, 1.0), "crop_ratio": (1.0, 1.0), "flip": False, "resize": "pad"}
    stream = make_stream(
        {"sources": {"a": source}, "text": {"choice": "uniform"}, "image": image},
        preprocessing={"resolution": 32, "resize": "pad"}, tokenizer=tokenizer, batch_size=4, seed=0,
    )
    batches = stream.batches(workers=2)
    next(batches)
    print("begun", flush=True)
    time.sleep(60)
"""


def shared(process: int) -> list[Path]:
    return list(Path("/dev/shm").glob(f"{orphans._owner(process)}*"))


def children(process: int) -> list[int]:
    lists = Path(f"/proc/{process}/task").glob("*/children")
    return [int(number) for file in lists for number in file.read_text().split()]


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(true: Callable[[], bool], seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.1)
    return true()


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="shared memory is no files here")
@pytest.mark.slow
def test_loader_processes_end_with_a_run_that_is_killed_and_free_what_they_shared(
    tmp_path: Path, write_parquet: Callable[..., Path]
) -> None:
    script = tmp_path / "run.py"
    script.write_text(RUN)
    run = subprocess.Popen(
        [sys.executable, str(script), str(write_parquet(9))],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert run.stdout is not None and run.stdout.readline() == "begun\n"
    workers = children(run.pid)
    assert len(workers) >= 2 and until(lambda: bool(shared(run.pid)))
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert until(lambda: not any(map(alive, workers))), "loader processes live on"
    assert until(lambda: not shared(run.pid)), "shared memory stays"


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="shared memory is no files here")
def test_what_nobody_owns_any_more_is_freed_by_the_next_run() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    left, own = (Path("/dev/shm") / f"{orphans._owner(number)}test" for number in (gone.pid, os.getpid()))
    other = Path("/dev/shm") / f"vlp_1_{gone.pid}_test"  # of another container
    for file in (left, own, other):
        file.write_bytes(b"x")
    try:
        orphans.free_shared_memory()
        assert not left.exists() and own.exists() and other.exists()
    finally:
        for file in (left, own, other):
            file.unlink(missing_ok=True)
