"""A run on images at their own aspect ratio: one program a length, padding told, the same bits when resumed."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

import main
import vlp
from vlp.checkpoint import find_checkpoint, load_model_arrays
from vlp.interop.mapping import flattened

pytestmark = pytest.mark.slow

FLAGS = (
    "--config=configs/naflex.py:runlocal",
    *("--config.steps=6", "--config.stages.until=2", "--config.stages.patches=16", "--config.batch_size=16"),
    "--config.data.image.budgets=(16,36)",
    *("--config.log.every=1", "--config.checkpoint.every=1"),
    *("--config.checkpoint.keep_last=9", "--config.model.image.depth=1", "--config.model.text.depth=1"),
    "--config.data.evaluation.val.fraction=0.1",
    "--config.evaluators.dense.final=true",
    "--config.evaluators.dense.sets=('val',)",
)


def lines(workdir, name):
    return [json.loads(line) for line in (workdir / name).read_text().splitlines()]


def bits(workdir):
    arrays = flattened(load_model_arrays(find_checkpoint(workdir)))
    return b"".join(np.asarray(arrays[path]).tobytes() for path in sorted(arrays))


def test_a_run_of_two_stages_of_which_the_second_draws_from_two_lengths(tmp_path):
    workdir, resumed = tmp_path / "run", tmp_path / "resumed"
    assert main.main([*FLAGS, f"--workdir={workdir}"]) == 0
    compiled = [line["compiled_steps"] for line in lines(workdir, "timings.jsonl")]
    assert compiled[:2] == [1, 1] and compiled[-1] == 3, (
        "one for the first stage, one for each length of the second"
    )
    log = (workdir / "logs" / "0.log").read_text()
    assert "stage 1 of 2: images of 16 patches" in log and "compiled anew" not in log
    padding = [line["data/padding"] for line in lines(workdir, "metrics.jsonl") if "data/padding" in line]
    assert len(padding) == 6 and 0 < min(padding) <= max(padding) < 0.2
    figures = json.loads((workdir / "results.json").read_text())
    assert {"zero_shot/val/top1", "retrieval/val/rsum", "dense/val/mean_iou"} <= figures.keys()
    assert list((workdir / "tensorboard").iterdir())

    shutil.copytree(workdir, resumed)
    for step in range(2, 7):
        shutil.rmtree(resumed / "checkpoints" / str(step))
    assert main.main([*FLAGS, f"--workdir={resumed}"]) == 0
    assert bits(workdir) == bits(resumed)
    assert (workdir / "metrics.jsonl").read_bytes() == (resumed / "metrics.jsonl").read_bytes()

    rows = vlp.load(workdir).encode_image(
        [np.full((20, 90, 3), 99, np.uint8), np.full((64, 64, 3), 9, np.uint8)]
    )
    assert rows.shape == (2, 32) and abs(np.linalg.norm(rows, axis=1) - 1).max() < 1e-5
