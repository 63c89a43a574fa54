"""A run whose loss spikes goes back by itself, and interrupted around that place it ends as if never touched."""

from __future__ import annotations

import json
import shutil

import optax
import pytest
from finished_runs import assert_same_run

import main
from vlp.checkpoint import complete_steps, read_description

RUN = (
    "--config=configs/quickstart.py:runlocal",
    "--config.steps=8",
    "--config.batch_size=16",
    "--config.log.every=1",
    "--config.log.tensorboard=false",
    "--config.checkpoint.every=1",
    "--config.checkpoint.keep_last=8",
    "--config.model.image.depth=1",
    "--config.model.text.depth=1",
    "--config.evaluators.zero_shot.every=0",
    "--config.evaluators.zero_shot.final=false",
    "--config.evaluators.retrieval.every=0",
    "--config.evaluators.retrieval.final=false",
    "--config.optimizer.ema_decay=0.9",
    "--config.optimizer.schedule.warmup_steps=1",
    "--config.rollback.factor=1.02",
    "--config.rollback.window=2",
    "--config.rollback.most=9",
)


def lines(workdir):
    return {
        line["step"]: line for line in map(json.loads, (workdir / "metrics.jsonl").read_text().splitlines())
    }


@pytest.mark.slow
def test_a_run_goes_back_by_itself_and_resumed_around_it_leaves_the_same_bytes(tmp_path):
    whole = tmp_path / "whole"
    assert main.main([*RUN, f"--workdir={whole}"]) == 0
    lines = [json.loads(line) for line in (whole / "metrics.jsonl").read_text().splitlines()]
    counts = {line["step"]: line["rollbacks"] for line in lines if "loss" in line}
    at = next(step for step in counts if counts[step])
    first, last = read_description(whole / "checkpoints" / "8").progress["rollbacks"][0]["skipped"][0]
    assert counts[at - 1] == 0 and counts[at] == 1 and first <= at - 3 and last == at - 1
    # The schedule goes on with the steps: what is logged is what was applied.
    config = json.loads((whole / "config.json").read_text())["optimizer"]
    peak = config["learning_rate"]
    cosine = optax.warmup_cosine_decay_schedule(0.0, peak, 1, 8)
    for line in lines:
        assert line["learning_rate"] == pytest.approx(float(cosine(line["step"] - 1)), rel=1e-5), line["step"]
    # From the checkpoint of the step whose loss is the spike, and from that of the step that went back.
    for stop in (at - 1, at):
        resumed = tmp_path / str(stop)
        shutil.copytree(whole, resumed)
        for step in complete_steps(resumed / "checkpoints"):
            if step > stop:
                shutil.rmtree(resumed / "checkpoints" / str(step))
        assert main.main([*RUN, f"--workdir={resumed}"]) == 0
        assert_same_run(whole, resumed)
