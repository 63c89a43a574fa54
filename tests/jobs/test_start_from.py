"""A fresh run from another run's model, through the train job's door."""

from __future__ import annotations

import json

import numpy as np
import pytest

import main
import vlp
from input_pipeline.stream import make_stream
from vlp import cli, configuration
from vlp.checkpoint import find_checkpoint, load_model_arrays

pytestmark = pytest.mark.slow

RUN = (
    "--config=configs/quickstart.py:runlocal",
    "--config.batch_size=16",
    "--config.log.every=1",
    "--config.log.tensorboard=false",
    "--config.model.image.depth=1",
    "--config.model.image.patch_dropout=0",
    "--config.model.text.depth=1",
    "--config.optimizer.ema_decay=0.5",
    *(
        f"--config.evaluators.{name}.{key}"
        for name in ("zero_shot", "retrieval")
        for key in ("every=0", "final=false")
    ),
)
# Less than any parameter can feel.
STILL = ("--config.steps=1", "--config.optimizer.learning_rate=1e-30", "--config.seed=5")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A run of two steps, whose running mean is neither its parameters nor what they were."""
    workdir = tmp_path_factory.mktemp("runs") / "source"
    assert main.main([*RUN, "--config.steps=2", f"--workdir={workdir}"]) == 0
    return workdir


def tune(source, workdir, *more):
    return main.main([*RUN, *STILL, f"--config.checkpoint.start={source}", f"--workdir={workdir}", *more])


def softmax_loss(scores):
    """Cross-entropy of the diagonal, by rows and by columns."""
    rows, columns = (np.log(np.exp(scores).sum(axis)) - np.diag(scores) for axis in (1, 0))
    return (rows.mean() + columns.mean()) / 2


def first_loss(model, settings):
    """Of a model on the first batch of a run with these settings."""
    config = configuration.resolve(configuration.parse(settings, cli.OPTIONS).config)
    fields = ("image", "text", "text_mask")
    stream = make_stream(
        config.data,
        preprocessing={**model.preprocessing, "resolution": config.model.image.resolution},
        tokenizer=model.tokenizer,
        batch_size=config.batch_size,
        seed=config.seed,
        fields=fields,
    )
    batch = next(stream.batches(0))
    images = np.asarray(model.start("image", batch["image"]), np.float64)
    texts = np.asarray(model.start("text", batch["text"], batch["text_mask"]), np.float64)
    return softmax_loss(model.logit_scale * images @ texts.T)


def leaves(tree, prefix=""):
    for name, value in tree.items():
        yield from (
            leaves(value, f"{prefix}{name}/") if isinstance(value, dict) else [(f"{prefix}{name}", value)]
        )


def test_it_begins_with_the_running_mean_of_the_model_it_started_from(source, tmp_path):
    assert tune(source, tmp_path) == 0
    line = json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[0])
    assert line["step"] == 1
    assert line["loss"] == pytest.approx(first_loss(vlp.load(source), [*RUN, *STILL]), rel=1e-4)
    there, here = (load_model_arrays(find_checkpoint(workdir)) for workdir in (source, tmp_path))
    moved = 0
    for part in ("params", "ema"):
        pairs = zip(*(sorted(leaves(tree["model"])) for tree in (there["ema"], here[part])), strict=True)
        for (path, wanted), (_, found) in pairs:
            np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-20, err_msg=path)
    for (_, one), (_, other) in zip(
        leaves(there["params"]["model"]), leaves(there["ema"]["model"]), strict=True
    ):
        moved += not np.array_equal(one, other)
    assert moved


def test_with_smaller_images_it_begins_with_what_the_model_makes_of_those(source, tmp_path, caplog):
    smaller = "--config.model.image.resolution=32"
    assert tune(source, tmp_path, smaller) == 0
    assert "model/image/position/embedding is resampled from 64 positions to 16" in caplog.text
    line = json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[0])
    assert line["loss"] == pytest.approx(first_loss(vlp.load(source), [*RUN, *STILL, smaller]), rel=1e-4)


def test_another_model_is_refused_by_name(source, tmp_path, capsys):
    assert tune(source, tmp_path, "--config.model.embed_dim=64") == 2
    error = capsys.readouterr().err
    assert "model/text_projection/kernel" in error and "config.json" in error
    assert len(error.strip().splitlines()) == 1


def test_what_is_not_there_is_refused(tmp_path, capsys):
    assert tune(tmp_path / "nothing", tmp_path / "run") == 2
    assert "there is no checkpoint or workdir at" in capsys.readouterr().err


def test_a_text_tower_for_another_run_s_image_tower_leaves_it_as_it_was(source, tmp_path):
    rules = "^model/image(_projection)?/ = 0"
    settings = [
        f"--config.checkpoint.start_image={source}",
        f"--config.optimizer.learning_rate_rules={rules}",
    ]
    assert main.main([*RUN, "--config.steps=2", "--config.seed=5", *settings, f"--workdir={tmp_path}"]) == 0
    there, here = (
        load_model_arrays(find_checkpoint(workdir))["ema"]["model"] for workdir in (source, tmp_path)
    )
    for tower in ("image", "image_projection"):
        pairs = zip(*(sorted(leaves(tree[tower])) for tree in (there, here)), strict=True)
        for (path, wanted), (_, found) in pairs:
            np.testing.assert_array_equal(found, wanted, err_msg=path)
    assert not np.array_equal(there["text_projection"]["kernel"], here["text_projection"]["kernel"])
    vlp.load(tmp_path)
