"""Curves beside TensorBoard's, by the tool's own package."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vlp.training.writers import MetricsWriter

ROOT = Path(__file__).resolve().parents[2]


def test_an_offline_run_of_wandb_has_what_metrics_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_SILENT", "true")
    options = {"tensorboard": False, "tracker": "wandb", "project": "clip", "name": "first"}
    with MetricsWriter(tmp_path, **options) as writer:
        writer.write_metrics(1, {"a_loss": 0.5})
        writer.write_timings(1, {"pairs_per_second": 3})
    (run,) = tmp_path.glob("wandb/offline-run-*/run-first.wandb")
    deadline = time.monotonic() + 60  # its own process writes it
    while not all(name in run.read_bytes() for name in (b"a_loss", b"pairs_per_second")):
        assert time.monotonic() < deadline, run.read_bytes()
        time.sleep(0.1)
    with MetricsWriter(tmp_path / "other", **options, enabled=False) as writer:
        writer.write_metrics(1, {"a_loss": 0.5})
    assert not (tmp_path / "other").exists()
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ValueError, match=r"log\.tracker='wandb' needs its package: pip install wandb"):
        MetricsWriter(tmp_path, **options)


WRITTEN = """
import sys
from vlp.training.writers import MetricsWriter
options = {"tensorboard": False, "tracker": "trackio", "project": "clip", "name": "first"}
for step in (1, 2):  # a run, and what goes on from it
    with MetricsWriter(sys.argv[1], **options) as writer:
        writer.write_metrics(step, {"contrastive/loss": 0.5})
"""


def test_an_offline_run_of_trackio_has_what_metrics_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("trackio")
    # It reads the place of its files when it is imported; and what the environment names is not written to.
    monkeypatch.setenv("TRACKIO_SERVER_URL", "http://127.0.0.1:9?write_token=x")
    subprocess.run([sys.executable, "-c", WRITTEN, str(tmp_path)], cwd=ROOT, timeout=120, check=True)
    with sqlite3.connect(tmp_path / "trackio" / "clip.db") as database:
        rows = database.execute("select run_name, step, metrics from metrics order by step").fetchall()
    assert [row[:2] for row in rows] == [("first", 1), ("first", 2)]
    assert all("contrastive/loss" in str(row[2]) for row in rows)
