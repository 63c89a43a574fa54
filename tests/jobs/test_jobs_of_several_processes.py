"""`--job=embed` and `--job=evaluate` as two real processes: what they leave is what one process leaves."""

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

import main
from vlp.embeddings.store import Embeddings
from vlp.evaluation.outcomes import read_outcomes
from vlp.evaluation.provenance import PROVENANCE

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
EMBED = ("--job=embed", "--config.embed.feature=both", "--config.embed.sets=('val',)")
SIZES = ("--config.embed.shard_records=2", "--config.embed.batch_size=8")


def start(*arguments: str) -> subprocess.Popen[str]:
    """Two processes of one device each, by launch/local."""
    command = [sys.executable, "launch/local", "--processes=2", "--", *arguments]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "JAX_NUM_CPU_DEVICES": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def processes_of(launcher: subprocess.Popen[str]) -> list[int]:
    return [
        int(pid) for pid in Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split()
    ]


def test_embedding_goes_on_after_a_process_was_killed(checkpoint, data, tmp_path):
    arguments = [*EMBED, *SIZES, f"--checkpoint={checkpoint}", f"--config.data.evaluation.val.path={data}"]
    one, two = tmp_path / "one", tmp_path / "two"
    launcher = start(*arguments, f"--output={two}")
    while not list(two.glob("val/image/*.npy")):
        assert launcher.poll() is None, launcher.communicate()[0]
        time.sleep(0.005)
    os.kill(processes_of(launcher)[1], signal.SIGKILL)
    output, _ = launcher.communicate(timeout=300)
    assert launcher.returncode, output
    assert not (two / "index.json").exists()

    before = {path: path.stat().st_mtime_ns for path in two.glob("val/*/*.npy")}
    launcher = start(*arguments, f"--output={two}")
    output, _ = launcher.communicate(timeout=300)
    assert launcher.returncode == 0 and output.count("listed in") >= 1, output
    assert {path: path.stat().st_mtime_ns for path in before} == before

    assert main.main([*arguments, f"--output={one}"]) == 0
    assert json.loads((one / "index.json").read_text()) == json.loads((two / "index.json").read_text())
    for part in ("image", "text"):
        ours, theirs = Embeddings(two / "val" / part), Embeddings(one / "val" / part)
        assert ours.notes() == theirs.notes()
        np.testing.assert_allclose(ours[:], theirs[:], atol=1e-6)


def test_two_processes_evaluate_as_one_does(checkpoint, data, tmp_path):
    arguments = [
        "--job=evaluate",
        f"--checkpoint={checkpoint}",
        "--config=configs/eval/retrieval.py",
        f"--config.data.evaluation.val.path={data}",
        "--config.evaluators.retrieval.sets=('val',)",
        "--config.evaluators.retrieval.languages=()",
        "--config.evaluators.zero_shot.final=true",
        "--config.evaluators.zero_shot.sets=('val',)",
    ]
    launcher = start(*arguments, f"--workdir={tmp_path / 'two'}")
    output, _ = launcher.communicate(timeout=300)
    assert launcher.returncode == 0 and output.count("figures: ") == 1, output
    assert main.main([*arguments, f"--workdir={tmp_path / 'one'}"]) == 0
    one, two = (tmp_path / name / "evaluations" / "retrieval.json" for name in ("one", "two"))
    figures, expected = (json.loads(path.read_text()) for path in (two, one))
    assert figures.keys() == expected.keys() and len(figures) > 10
    assert figures.pop(PROVENANCE)["data"] == expected.pop(PROVENANCE)["data"]
    # Batches are cut differently, so that two scores may have changed places: two of seventy records, a rank by one.
    for name, value in expected.items():
        assert figures[name] == pytest.approx(value, abs=1.0 if "rank" in name else 0.03), name
    assert read_outcomes(two.with_suffix(".npz")).keys() == read_outcomes(one.with_suffix(".npz")).keys()
    assert two.with_suffix(".html").read_text().count("<img") == one.with_suffix(".html").read_text().count(
        "<img"
    )
