"""Training as a user runs it: real processes, killed, stopped, damaged, changed, and gone on with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from finished_runs import assert_same_run

import main
import vlp
from vlp.checkpoint import find_checkpoint

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
SMALL = (
    "--config=configs/quickstart.py:runlocal",
    "--config.steps=12",
    "--config.batch_size=32",
    "--config.log.every=1",
    "--config.log.tensorboard=false",
    "--config.checkpoint.every=3",
    "--config.model.image.depth=1",
    "--config.model.text.depth=1",
    "--config.evaluators.zero_shot.every=0",
    "--config.evaluators.retrieval.every=6",
    "--config.evaluators.retrieval.sets=val",
)
ENVIRONMENT = {**os.environ, "JAX_NUM_CPU_DEVICES": "1"}


def command(workdir, *more):
    return [sys.executable, str(ROOT / "main.py"), *SMALL, f"--workdir={workdir}", *more]


def train(workdir, *more):
    return subprocess.run(
        command(workdir, *more),
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def interrupt(workdir, number, step):
    """Starts the run, sends the signal when metrics.jsonl holds the step, and returns the exit code and output."""
    metrics = workdir / "metrics.jsonl"
    earlier = metrics.stat().st_mtime_ns if metrics.exists() else None
    process = subprocess.Popen(
        command(workdir),
        cwd=ROOT,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = time.monotonic() + 900
    while time.monotonic() < deadline and process.poll() is None:
        # Lines of the process before may still stand there until this one begins to write.
        if metrics.exists() and metrics.stat().st_mtime_ns != earlier and has_step(metrics, step):
            break
        time.sleep(0.01)
    process.send_signal(number)
    output, _ = process.communicate(timeout=900)
    return process.returncode, output


def has_step(metrics, step):
    return f'"step": {step},' in metrics.read_text()


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("runs") / "uninterrupted"
    finished = train(workdir)
    assert finished.returncode == 0, finished.stderr
    return workdir, finished


def test_a_run_leaves_what_the_readme_promises(uninterrupted):
    workdir, finished = uninterrupted
    steps = [json.loads(line)["step"] for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    assert sorted(set(steps)) == list(range(1, 13))
    results = json.loads((workdir / "results.json").read_text())
    assert 0 <= results["retrieval/val/text_to_image/recall@10"] <= 1
    assert {"pairs_per_second", "mfu", "data_wait_share", "goodput"} <= json.loads(
        (workdir / "timings.jsonl").read_text().splitlines()[-1]
    ).keys()
    assert "chance" in finished.stdout and str(workdir / "results.json") in finished.stdout
    assert finished.stdout.count("python main.py") == 2  # two ablations to try
    assert "made steps that count" in finished.stdout
    page = (workdir / "results.html").read_text()
    assert "text_<wbr>to_<wbr>image/<wbr>recall@<wbr>10" in page and "12 (the last)" in page
    assert (workdir / "results.npz").stat().st_size > 0


def test_killed_stopped_and_damaged_it_ends_as_if_never_touched(uninterrupted, tmp_path):
    """One run suffers all of it: killed before its first checkpoint, stopped twice, killed again, then damaged."""
    workdir = tmp_path / "interrupted"
    interrupt(workdir, signal.SIGKILL, 2)
    assert_stops_cleanly(workdir, signal.SIGTERM, 3)
    assert_stops_cleanly(workdir, signal.SIGINT, 5)
    interrupt(workdir, signal.SIGKILL, 8)
    newest = find_checkpoint(workdir)
    largest = flip_a_bit(newest)
    finished = train(workdir)
    assert finished.returncode == 0
    assert largest.name in finished.stderr and f"{newest.name}.damaged" in finished.stderr
    assert (newest.parent / f"{newest.name}.damaged").is_dir()
    assert_same_run(uninterrupted[0], workdir)
    spent = json.loads((workdir / "goodput.json").read_text())["spent"]
    assert {
        "starting",
        "again",
        "down",
        "steps",
    } <= spent.keys() and f"of {sum(spent.values()):,.0f} s" in finished.stdout


def assert_stops_cleanly(workdir, number, step):
    """The signal saves at the next step."""
    exit_code, output = interrupt(workdir, number, step)
    assert exit_code == 0, output
    saved = json.loads((find_checkpoint(workdir) / "description.json").read_text())["progress"]["step"]
    logged = json.loads((workdir / "metrics.jsonl").read_text().splitlines()[-1])["step"]
    assert step <= saved == logged < 12


def flip_a_bit(checkpoint):
    """In the middle of the largest file of arrays, which is returned."""
    files = (path for path in (checkpoint / "arrays").rglob("*") if path.is_file())
    largest = max(files, key=lambda path: path.stat().st_size)
    data = bytearray(largest.read_bytes())
    data[len(data) // 2] ^= 1
    largest.write_bytes(data)
    return largest


def test_another_config_is_refused_unless_the_change_is_allowed(uninterrupted, capsys):
    """In this process, which has eight devices where the run had one."""
    arguments = [*SMALL, f"--workdir={uninterrupted[0]}"]
    assert main.main([*arguments, "--config.optimizer.learning_rate=0.5"]) == 2
    error = capsys.readouterr().err
    assert "optimizer.learning_rate" in error and len(error.splitlines()) == 1
    allowed = ("--config.checkpoint.keep_last=3", "--allow_config_change=checkpoint")
    assert main.main([*arguments, *allowed]) == 0


def test_a_checkpoint_to_start_from_is_a_setting(capsys):
    assert main.main([*SMALL, "--checkpoint=runs/other"]) == 2
    assert "--config.checkpoint.start=PATH" in capsys.readouterr().err


def test_the_checkpoint_alone_is_a_model_and_can_be_evaluated(uninterrupted, tmp_path):
    workdir, _ = uninterrupted
    model = vlp.load(workdir)
    rows = model.encode_text(["a cat", "", "猫" * 500])
    assert rows.shape == (3, model.config.model.embed_dim) and rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    output = tmp_path / "figures.json"
    assert main.main(["--job=evaluate", f"--checkpoint={workdir}", f"--output={output}"]) == 0
    assert "Evaluation of quickstart" in output.with_suffix(".html").read_text()
    assert output.with_suffix(".npz").exists()
    trained, evaluated = (json.loads(path.read_text()) for path in (workdir / "results.json", output))
    assert trained.keys() <= evaluated.keys()
    for name, value in trained.items():
        assert evaluated[name] == pytest.approx(value, abs=1e-6), name
