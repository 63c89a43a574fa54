"""Reading without the trainer: which folder, what it says, and the model's arrays."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
from checkpoint_states import CONFIG, description, flip_byte, largest_file, parts

from vlp.checkpoint import Checkpointer, find_checkpoint, load_model_arrays, read_description


@pytest.fixture
def workdir(tmp_path: Path) -> Path:
    """A run with two checkpoints; its name looks like a step."""
    checkpointer = Checkpointer(tmp_path / "2026" / "checkpoints")
    for step in (1, 2):
        checkpointer.save(step, *parts(step), description(step))
    checkpointer.close()
    return tmp_path / "2026"


def test_finds_it_from_everywhere(workdir: Path) -> None:
    newest = workdir / "checkpoints" / "2"
    assert [find_checkpoint(path) for path in (workdir, workdir / "checkpoints", newest)] == [newest] * 3
    assert find_checkpoint(str(workdir), step=1) == workdir / "checkpoints" / "1"


def test_says_what_is_not_there(workdir: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no checkpoint or workdir at"):
        find_checkpoint(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"no checkpoint of step 3; it has \[1, 2\]"):
        find_checkpoint(workdir, step=3)
    with pytest.raises(ValueError, match="no intact checkpoint"):
        find_checkpoint(tmp_path)


def test_a_reader_passes_over_damage_and_moves_nothing(
    workdir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    newest = workdir / "checkpoints" / "2"
    flip_byte(largest_file(newest / "arrays"))
    with caplog.at_level(logging.WARNING):
        assert find_checkpoint(workdir) == workdir / "checkpoints" / "1"
    assert largest_file(newest / "arrays").name in caplog.text
    for path, step in ((newest, None), (workdir, 2)):
        with pytest.raises(ValueError, match=r"2 is damaged: the bytes of arrays/.* have changed"):
            find_checkpoint(path, step)


def test_a_copied_step_is_enough(workdir: Path, tmp_path: Path) -> None:
    copy = tmp_path / "best"
    shutil.copytree(workdir / "checkpoints" / "2", copy)
    shutil.rmtree(workdir)
    assert find_checkpoint(copy) == copy
    assert read_description(copy) == description(2)
    assert json.loads((copy / "description.json").read_text())["config"] == CONFIG
    assert (copy / "tokenizer.model").read_bytes() == description(2).tokenizer
    arrays, saved = load_model_arrays(copy), parts(2)[0]
    assert arrays.keys() == saved.keys()
    blocks = arrays["params"]["tower"]["blocks"]
    np.testing.assert_array_equal(blocks[1], saved["params"]["tower"]["blocks"][1])
    assert isinstance(blocks[1], np.ndarray)
    half = arrays["ema"]["half"]
    assert half.dtype == saved["ema"]["half"].dtype
    np.testing.assert_array_equal(half, np.asarray(saved["ema"]["half"]))
    assert arrays["params"]["registers"].shape == (0, 128)


def test_a_reader_does_not_need_the_optimizer(workdir: Path) -> None:
    folder = find_checkpoint(workdir)
    shutil.rmtree(folder / "arrays" / "training")
    np.testing.assert_array_equal(load_model_arrays(folder)["rest"]["counts"], parts(2)[0]["rest"]["counts"])


def test_a_later_format_is_refused(workdir: Path) -> None:
    path = workdir / "checkpoints" / "2" / "description.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format_version": 99}))
    with pytest.raises(ValueError, match="checkpoint format 99"):
        read_description(path.parent)
