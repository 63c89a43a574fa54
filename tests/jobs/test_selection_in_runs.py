"""Rows chosen in the step by a frozen reference, through the train job's door: interrupted as never touched."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from finished_runs import assert_same_run

import main

pytestmark = pytest.mark.slow

TINY = (
    *(f"--config.model.{tower}.{one}" for tower in ("image", "text") for one in ("width=16", "depth=1")),
    *(f"--config.model.{tower}.{one}" for tower in ("image", "text") for one in ("heads=2", "mlp_dim=32")),
    *("--config.log.every=1", "--config.log.tensorboard=false", "--config.data.threads=1"),
    *("--config.evaluators={}", "--config.steps=4", "--config.checkpoint.every=2"),
)


def test_a_run_that_chooses_goes_on_to_the_same_bits(checkpoint, tmp_path):
    flags = (f"--config=configs/jest.py:runlocal,reference={checkpoint}", *TINY)
    whole, again = tmp_path / "whole", tmp_path / "again"
    assert main.main([*flags, f"--workdir={whole}"]) == 0
    lines = [json.loads(line) for line in (whole / "metrics.jsonl").read_text().splitlines()]
    scores = np.array([(line["selection/score"], line["selection/score_of_kept"]) for line in lines])
    assert len(scores) == 4 and np.isfinite(scores).all() and len({*scores[:, 0].tolist()}) == 4
    assert (scores[:, 1] > scores[:, 0]).all()  # of what is kept there is more to learn
    shutil.copytree(whole, again)
    shutil.rmtree(again / "checkpoints" / "4")
    assert main.main([*flags, f"--workdir={again}"]) == 0
    assert_same_run(whole, again)
