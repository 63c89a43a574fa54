"""A run whose files are in a bucket: killed, and gone on with by machines that have nothing but its address."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jax
import pytest
from small_bucket_runs import SMALL

import main
import vlp
from benchmarks.object_store import Door
from input_pipeline.buckets import Bucket
from vlp.checkpoint import find_checkpoint, load_model_arrays, steps_of
from vlp.evaluation.comparison.runs import read_run
from vlp.processes import claim_in_bucket, home
from vlp.processes.claim_in_bucket import Claim

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
KILLED = {"JAX_COMPILATION_CACHE_DIR": "", "PYTHONPATH": f"{ROOT}{os.pathsep}{Path(__file__).parent}"}
KILL = "--config.hooks.kill={'kind': 'small_bucket_runs:Kill', 'every': 5}"


@pytest.fixture(autouse=True)
def another_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Copies of no address."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(home, "_slots", {})
    yield


def killed(*arguments: str, machine: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **KILLED, "XDG_CACHE_HOME": str(machine)}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_a_killed_run_goes_on_from_the_bucket_alone_and_leaves_the_same_bits(
    google: Door, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address = "gs://bucket/runs/killed"
    done = killed("main.py", *SMALL, KILL, f"--workdir={address}", machine=tmp_path / "first")
    assert done.returncode == -signal.SIGKILL, done.stderr
    bucket = Bucket(address)
    assert steps_of(address) == [3] and json.loads(bucket.read("run.lock"))["ended"] is False
    assert '"step": 3,' in bucket.read("metrics.jsonl").decode()
    assert any(name.startswith("compiled/") for name in bucket.versions())
    # The hook was of the machine that failed.
    again = [*SMALL, f"--workdir={address}", "--allow_config_change=hooks"]
    assert main.main(again) == 0
    assert f"vlp.load('{address}')" in capsys.readouterr().out
    alone = tmp_path / "alone"
    assert main.main([*SMALL, f"--workdir={alone}"]) == 0
    for name in ("metrics.jsonl", "results.json", "results.npz", "tensorboard", "config.json", "logs/0.log"):
        if name in ("metrics.jsonl", "results.json", "results.npz"):
            assert bucket.read(name) == (alone / name).read_bytes(), name
        assert any(one.startswith(name) for one in bucket.versions()), name
    assert json.loads(bucket.read("run.lock"))["ended"] is True
    assert vlp.load(address).config.steps == 6 and read_run(address).finished
    assert main.main(["--job=watch", f"--workdir={address}", "--seconds=0"]) == 0
    assert main.main(["--job=evaluate", f"--checkpoint={address}/checkpoints/6"]) == 0
    assert f"figures: {address}/evaluations/" in capsys.readouterr().out
    assert {"watch.html", "evaluations/quickstart-6.json"} <= {*bucket.versions()}


def test_a_run_goes_on_from_what_its_host_has_kept_and_leaves_the_same_bits(
    google: Door, tmp_path: Path
) -> None:
    address, alone = "gs://bucket/runs/replicated", tmp_path / "alone"
    run = [*SMALL, "--config.checkpoint.every=100", "--config.evaluators.retrieval.every=0"]
    replicated = [*run, f"--workdir={address}", "--config.checkpoint.local_every=2"]
    with pytest.raises(RuntimeError, match="as if it were killed"):
        main.main([*replicated, "--config.hooks.fail={'kind': 'small_bucket_runs:Fail', 'every': 5}"])
    bucket = Bucket(address)
    assert not steps_of(address) and '"step": 4,' in bucket.read("metrics.jsonl").decode()
    assert main.main([*replicated, "--config.seed=1"]) == 2  # its config is looked at as any checkpoint's
    assert main.main([*replicated, "--allow_config_change=hooks"]) == 0
    assert "from step 4" in bucket.read("logs/0.log").decode()
    assert main.main([*run, f"--workdir={alone}"]) == 0
    for name in ("metrics.jsonl", "results.json"):
        assert bucket.read(name) == (alone / name).read_bytes(), name
    there, here = (load_model_arrays(find_checkpoint(place, 6)) for place in (address, alone))
    assert jax.tree.all(jax.tree.map(lambda one, other: one.tobytes() == other.tobytes(), there, here))
    kept = tmp_path / "cache" / "vlp" / "replicas"
    assert kept.is_dir() and not [*kept.glob("*/*/0/*")]


def test_one_run_at_a_time_has_an_address_and_who_was_silent_for_long_has_lost_it(
    google: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claim_in_bucket, "SECONDS", 0.1)
    bucket = Bucket("gs://bucket/claims")
    first = Claim(bucket.address)
    mine = claim_in_bucket.socket.gethostname
    monkeypatch.setattr(claim_in_bucket.socket, "gethostname", lambda: "far")
    with pytest.raises(ValueError, match=rf"another run is in .* \(pid {os.getpid()} on {mine()}\)"):
        Claim(bucket.address)
    first._done.set()  # as if it were stopped, not ended
    first._thread.join()
    second = Claim(bucket.address)
    with pytest.raises(OSError, match=r"another run has taken it over: pid .* on far"):
        first.check()
    second.check()
    second.leave()
    Claim(bucket.address).leave()  # nobody is waited for
    google.fault = lambda method, path: "403" if method == "PUT" and google.requests[-2][1] == path else ""
    try:
        with pytest.raises(OSError, match="403"):
            Claim("gs://bucket/other claims")
    finally:
        google.fault = lambda method, path: ""
