"""A step taken apart shows what the run itself logged of it."""

from __future__ import annotations

import json
import math

import pytest

import main

pytestmark = pytest.mark.slow

RUN = (
    "--config=configs/quickstart.py:runlocal",
    "--config.steps=5",
    "--config.batch_size=32",
    "--config.log.every=1",
    "--config.log.tensorboard=false",
    "--config.checkpoint.every=2",
    "--config.checkpoint.keep_last=3",
    "--config.model.image.depth=1",
)
QUIET = ("zero_shot", "retrieval")


def test_replay_prints_what_the_run_logged_and_every_layers_norms(tmp_path, capsys):
    off = [f"--config.evaluators.{name}.{key}" for name in QUIET for key in ("every=0", "final=false")]
    assert main.main([*RUN, *off, f"--workdir={tmp_path}"]) == 0
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    logged = next(line for line in lines if line["step"] == 4)
    capsys.readouterr()
    assert main.main(["--job=replay", f"--checkpoint={tmp_path}", "--step=4"]) == 0
    printed = capsys.readouterr().out
    assert "from the checkpoint of step 2, 1 steps before step 4" in printed
    rows = [line.split() for line in printed.splitlines()]
    values = {row[0]: float(row[1]) for row in rows if len(row) == 2}
    assert values["loss"] == pytest.approx(logged["loss"], rel=1e-5)
    norms = [float(row[2]) for row in rows if len(row) == 4 and row[3] == "0"]
    assert math.hypot(*norms) == pytest.approx(logged["gradient_norm"], rel=1e-3)
    assert any(row and row[0].endswith("blocks/mlp/up/kernel[1]") for row in rows)
    assert main.main(["--job=replay", f"--checkpoint={tmp_path}", "--step=2"]) == 2
    assert "no checkpoint from before step 2" in capsys.readouterr().err
    assert main.main(["--job=replay", f"--checkpoint={tmp_path}", "--step=6"]) == 2
    assert "--step=6: the run ends with step 5" in capsys.readouterr().err


def test_a_folder_without_a_checkpoint_is_refused(tmp_path, capsys):
    assert main.main(["--job=replay", f"--checkpoint={tmp_path}", "--step=4"]) == 2
    assert "no intact checkpoint" in capsys.readouterr().err
