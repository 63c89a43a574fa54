"""Folders for copies of what is in a bucket: whose they are, and what goes back from them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.object_store import Door
from input_pipeline import buckets
from input_pipeline.buckets import Bucket
from vlp.checkpoint import find_checkpoint
from vlp.processes import home
from vlp.processes.home import home_of, run_at

KILLED = """
import os, sys
from vlp.processes import sentinel
from vlp.processes.home import home_of
with sentinel.watched({"coordinator": "a:1", "heartbeat_seconds": 0}, home_of(sys.argv[1])):
    os.kill(os.getpid(), 9)
"""


@pytest.fixture(autouse=True)
def a_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Copies of no address."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(home, "_slots", {})
    yield
    home.forget_slots()


def test_what_a_watcher_fetches_never_goes_back_over_what_the_run_has_written_since(
    google: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = Bucket("gs://bucket/watched")
    for name in ("metrics.jsonl", "timings.jsonl"):
        bucket.write(name, b"{}")
    watcher, bringing, whole = home_of(bucket.address), list[threading.Thread](), home.write_whole

    def while_another_brings(path: Path, content: bytes) -> None:
        whole(path, content)
        bringing.append(threading.Thread(target=watcher.bring))
        bringing[-1].start()
        bringing[-1].join(0.2)

    monkeypatch.setattr(home, "write_whole", while_another_brings)
    before = len(google.requests)
    watcher.fetch()
    for thread in bringing:
        thread.join()
    assert len(bringing) == 2 and {method for method, _ in google.requests[before:]} == {"GET"}


def test_a_process_that_ends_by_an_error_does_not_wait_for_a_bucket(
    google: Door, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(buckets, "_RETRIES", 0)
    monkeypatch.setattr(buckets, "PATIENCE", 6.0)
    buckets._store.cache_clear()
    google.fault = lambda method, path: "503"
    began = time.monotonic()
    try:
        with pytest.raises(KeyError), home_of("gs://bucket/dying").brought():
            folder = home_of("gs://bucket/dying").folder
            folder.mkdir(parents=True)
            (folder / "results.json").write_text("{}")
            raise KeyError
    finally:
        google.fault = lambda method, path: ""
        buckets._store.cache_clear()
    assert time.monotonic() - began < 5 and "files stay here for now" in caplog.text


def test_what_stands_beside_a_killed_process_leaves_its_folder_to_the_next(
    google: Door, tmp_path: Path
) -> None:
    address = "gs://bucket/killed beside"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SLURM")}
    words = tmp_path / "words"
    with words.open("w") as said:
        command = [sys.executable, "-c", KILLED, address]
        done = subprocess.run(command, env=environment, stderr=said, timeout=60, check=False)
    assert done.returncode == -9 and home_of(address).folder.name == "0" and not words.read_text()
    deadline = time.monotonic() + 30
    while "had not begun to train" not in words.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_cache_that_cannot_be_written_is_one_line(
    google: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Bucket("gs://bucket/there").write("checkpoints/3/manifest.json", b"{}")
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    for ask in (home_of, find_checkpoint):
        with pytest.raises(ValueError, match=r"cannot be written \(Not a directory\): set XDG_CACHE_HOME"):
            ask("gs://bucket/there")


def test_a_step_belongs_to_its_run_and_one_that_was_copied_alone_to_the_folder_around_it(
    google: Door,
) -> None:
    Bucket("gs://bucket/copies").write("40/manifest.json", b"{}")
    assert run_at("gs://bucket/copies/40/") == "gs://bucket/copies"
    assert run_at("gs://bucket/runs/7") == run_at("gs://bucket/runs/7/checkpoints/40") == "gs://bucket/runs/7"
