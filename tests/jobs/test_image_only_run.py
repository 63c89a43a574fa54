"""A run that reads no text: no text tower in its checkpoint, and one line wherever one is asked for."""

from __future__ import annotations

import numpy as np
import pytest

import main
import vlp
from vlp.checkpoint import find_checkpoint, load_model_arrays

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("runs") / "mlcd"
    settings = ("--config.steps=2", "--config.log.tensorboard=false", "--config.model.image.depth=1")
    assert main.main(["--config=configs/mlcd.py:runlocal", *settings, f"--workdir={workdir}"]) == 0
    return workdir


def test_it_holds_and_loads_an_image_tower_alone(workdir):
    arrays = load_model_arrays(find_checkpoint(workdir))
    assert {"image", "image_projection"} == {name for name in arrays["params"]["model"] if "_s" not in name}
    model = vlp.load(workdir)
    rows = model.encode_image(np.zeros((64, 64, 3), np.uint8))
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-5)
    with pytest.raises(ValueError, match="needs a text tower, and the model has none: nothing in the run"):
        model.encode_text("a house")


@pytest.mark.parametrize(
    "job",
    [
        ("evaluate", "--config=configs/eval/retrieval.py"),
        ("export", "--format=open_clip", "--output={output}"),
        ("embed", "--config=configs/base.py", "--config.embed.feature=text", "--output={output}"),
    ],
)
def test_what_needs_texts_says_so_in_a_line(workdir, job, tmp_path, capsys):
    name, *arguments = (part.format(output=tmp_path / "out") for part in job)
    assert main.main([f"--job={name}", f"--checkpoint={workdir}", *arguments]) == 2
    error = capsys.readouterr().err.strip()
    assert "text tower" in error and len(error.splitlines()) == 1


def test_images_are_evaluated(workdir, capsys):
    command = ["--job=evaluate", f"--checkpoint={workdir}", "--config=configs/eval/retrieval_images.py"]
    assert main.main(command) == 2
    assert "evaluators.composed_retrieval needs a text tower" in capsys.readouterr().err
    assert main.main([*command, "--config.evaluators.composed_retrieval.final=false"]) == 0
    assert "image_retrieval" in capsys.readouterr().out


def test_an_evaluator_of_a_tower_that_nothing_trains_is_refused_before_training(tmp_path, capsys):
    command = ["--config=configs/mlcd.py:runlocal", "--config.evaluators.zero_shot.final=true"]
    assert main.main([*command, f"--workdir={tmp_path / 'run'}"]) == 2
    assert "reads the text tower, which no active objective trains" in capsys.readouterr().err
