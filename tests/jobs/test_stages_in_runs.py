"""A run with stages, as main.py makes it: one compiled step for each, and the same bits wherever it is resumed."""

from __future__ import annotations

import json
import re
import shutil

import jax
import numpy as np
import pytest

import main
import vlp
from vlp.checkpoint import find_checkpoint, load_model_arrays

pytestmark = pytest.mark.slow

SWITCH, STEPS = 4, 7
RUN = (
    "--config=configs/quickstart.py:runlocal",
    "--config.batch_size=16",
    "--config.log.every=1",
    "--config.log.tensorboard=false",
    "--config.checkpoint.every=2",
    "--config.checkpoint.keep_last=9",
    "--config.model.image.depth=1",
    "--config.model.text.depth=1",
    "--config.optimizer.ema_decay=0.5",
    "--config.evaluators.zero_shot.every=0",
    "--config.evaluators.zero_shot.final=false",
    "--config.evaluators.retrieval.every=2",
    "--config.evaluators.retrieval.sets=val",
    "--config.stages.resolution=32",
    "--config.stages.text_length=8",
    "--config.stages.patch_dropout=0.25",
)
WHOLE = (*RUN, f"--config.steps={STEPS}", f"--config.stages.until={SWITCH}")


def lines(workdir, name):
    return [json.loads(line) for line in (workdir / name).read_text().splitlines()]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("runs") / "uninterrupted"
    assert main.main([*WHOLE, f"--workdir={workdir}"]) == 0
    return workdir


def gone_on(finished, workdir, step):
    """What the command makes of the run as it was after its checkpoint of a step."""
    shutil.copytree(finished, workdir)
    for folder in (workdir / "checkpoints").iterdir():
        if int(folder.name) > step:
            shutil.rmtree(folder)
    assert main.main([*WHOLE, f"--workdir={workdir}"]) == 0
    return workdir


def test_the_stages_are_told_and_each_compiles_one_step(finished):
    log = (finished / "logs" / "0.log").read_text()
    assert "stage 1 of 2: images 32, texts 8, patch dropout 0.25, until step 4\n" in log
    assert "stage 2 of 2: images 64, texts 20, patch dropout 0.5, until step 7\n" in log
    assert "compiled anew" not in log
    steps = [line["compiled_steps"] for line in lines(finished, "timings.jsonl")]
    assert steps == [1] * SWITCH + [2] * (STEPS - SWITCH)
    assert len(json.loads((finished / "results.json").read_text())) >= 5
    evaluated = {line["step"] for line in lines(finished, "metrics.jsonl") if "retrieval/val/rsum" in line}
    assert evaluated == {2, 4, 6, 7}


@pytest.mark.parametrize("step", [2, SWITCH, 6])
def test_resumed_within_or_between_stages_it_ends_with_the_same_bits(finished, tmp_path, step):
    workdir = gone_on(finished, tmp_path / "resumed", step)
    for name in ("metrics.jsonl", "results.json"):
        assert (workdir / name).read_bytes() == (finished / name).read_bytes()
    one, other = (_all_bits(run) for run in (finished, workdir))
    assert one.size > 1000 and one.tobytes() == other.tobytes()
    compiled = lines(workdir, "timings.jsonl")[-1]["compiled_steps"]
    assert compiled == (2 if step < SWITCH else 1)


def _all_bits(workdir):
    leaves = jax.tree.leaves(load_model_arrays(find_checkpoint(workdir)))
    return np.concatenate([np.ravel(leaf) for leaf in leaves])


def test_a_checkpoint_is_the_model_of_its_stage(finished, tmp_path):
    for step, resolution, length in ((SWITCH, 32, 8), (6, 64, 20)):
        model = vlp.load(finished, step=step)
        assert model.preprocessing["resolution"] == model.config.model.image.resolution == resolution
        assert model.tokenizer.length == model.config.tokenizer.length == length
        assert model.encode_text(["a cat"]).shape == (1, 128)
        rows = model.encode_image([np.zeros((48, 48, 3), np.uint8)])
        assert np.isfinite(rows).all()
        model.save(tmp_path / str(step))
        again = vlp.load(tmp_path / str(step))
        assert again.config.model.image.resolution == resolution and again.tokenizer.length == length
        np.testing.assert_array_equal(again.encode_image([np.zeros((48, 48, 3), np.uint8)]), rows)


def test_replay_crosses_the_switch(finished, tmp_path, capsys):
    logged = {line["step"]: line["loss"] for line in lines(finished, "metrics.jsonl") if "loss" in line}
    shutil.copytree(finished, workdir := tmp_path / "replayed")
    shutil.rmtree(workdir / "checkpoints" / str(SWITCH))
    assert main.main(["--job=replay", f"--checkpoint={workdir}", f"--step={SWITCH + 1}"]) == 0
    printed = capsys.readouterr().out
    assert "from the checkpoint of step 2," in printed
    loss = next(float(line.split()[1]) for line in printed.splitlines() if line.startswith("loss "))
    assert loss == pytest.approx(logged[SWITCH + 1], rel=1e-5)


def test_a_whole_model_can_start_in_a_small_stage(finished, tmp_path):
    start = f"--config.checkpoint.start={finished}"
    settings = ("--config.steps=2", "--config.stages.until=1", "--config.evaluators.retrieval.final=false")
    assert main.main([*RUN, *settings, start, f"--workdir={tmp_path}"]) == 0
    assert [line["step"] for line in lines(tmp_path, "timings.jsonl")] == [1, 2]


@pytest.mark.parametrize(
    ("steps", "begins"),
    [("9", [("2", "64", "9")]), ("16", [("1", "32", "9"), ("2", "64", "16")])],
)
def test_a_longer_run_goes_on_in_the_stage_that_its_shares_have_now(finished, tmp_path, steps, begins):
    """Of 7 steps the first 4 are small; of 9 as many or 5, of 16 nine: the state of step 7 is made small again."""
    shutil.copytree(finished, workdir := tmp_path / "longer")
    flags = (
        f"--config.steps={steps}",
        "--config.stages.until=0.6,",
        "--allow_config_change=steps,stages,optimizer",
    )
    assert main.main([*RUN, *flags, f"--workdir={workdir}"]) == 0
    log = (workdir / "logs" / "0.log").read_text()
    begun = re.findall(r"stage (\d) of 2: images (\d+), texts \d+, patch dropout \S+, until step (\d+)", log)
    assert begun[2:] == begins
    assert find_checkpoint(workdir).name == steps


def test_a_checkpoint_of_sizes_that_no_stage_has_is_refused_by_name(finished, tmp_path, capsys):
    shutil.copytree(finished, workdir := tmp_path / "other")
    flags = ("--config.steps=9", "--config.stages.until=8,", "--config.model.image.resolution=48")
    allowed = "--allow_config_change=steps,stages,optimizer,model.image.resolution"
    assert main.main([*RUN, *flags, allowed, f"--workdir={workdir}"]) == 2
    message = capsys.readouterr().err
    assert "checkpoints/7 does not fit this model" in message and len(message) < 1000
