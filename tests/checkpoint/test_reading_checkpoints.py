"""Reading without the trainer: which folder, what it says, and the model's arrays."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoint_states import CONFIG, description, flip_byte, largest_file, parts

from vlp.checkpoint import Checkpointer, complete_steps, find_checkpoint, load_model_arrays, read_description


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
    with pytest.raises(ValueError, match="no checkpoint or workdir at xxx"):
        find_checkpoint("x" * 5000)
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


DEEP = "[" * 100_000


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format_version": 99}, "checkpoint format 99"),
        ({"format_version": "1"}, "no format_version"),
        ({"format_version": None}, "no format_version"),
        ({"config": None, "more": 1}, "config is missing; more is unknown"),
        ({"progress": [1]}, "progress is no object"),
        ({"progress": {"samples_seen": 1}}, "progress has no step"),
        (DEEP, "no JSON that can be read"),
        ("5", "no description"),
    ],
)
def test_a_description_of_another_kind_is_refused(
    workdir: Path, change: dict[str, Any] | str, words: str
) -> None:
    path = workdir / "checkpoints" / "2" / "description.json"
    if isinstance(change, str):
        path.write_text(change)
    else:
        fields = {**json.loads(path.read_text()), **change}
        path.write_text(json.dumps({name: value for name, value in fields.items() if value is not None}))
    with pytest.raises(ValueError, match=words):
        read_description(path.parent)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{}", "vouches for no arrays.json and no arrays/model"),
        (DEEP, "cannot be read"),
        ("5", "cannot be read"),
    ],
)
def test_a_manifest_that_vouches_for_nothing_is_damage(workdir: Path, content: str, words: str) -> None:
    newest = workdir / "checkpoints" / "2"
    (newest / "manifest.json").write_text(content)
    assert find_checkpoint(workdir) == newest.with_name("1")
    with pytest.raises(ValueError, match=words):
        find_checkpoint(newest)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda model: model.pop("rest/counts"), "does not hold what arrays.json lists"),
        (lambda model: model.update({"more": model["rest/counts"]}), "does not hold what arrays.json lists"),
        (lambda model: model["rest/counts"].update(dtype="int9"), "a shape or a type that is none"),
        (lambda model: model["rest/counts"].update(shape=[-1]), "a shape or a type that is none"),
        (lambda model: model["rest/counts"].pop("path"), "without path, shape or dtype"),
    ],
)
def test_arrays_that_are_not_those_listed_are_one_sentence(
    workdir: Path, edit: Callable[[dict[str, Any]], Any], words: str
) -> None:
    folder = workdir / "checkpoints" / "2"
    listing = json.loads((folder / "arrays.json").read_text())
    edit(listing["model"])
    (folder / "arrays.json").write_text(json.dumps(listing))
    with pytest.raises(ValueError, match=words):
        load_model_arrays(folder)


def test_only_the_digits_that_are_written_name_a_step(workdir: Path) -> None:
    for name in ("\N{SUPERSCRIPT TWO}", "\N{ARABIC-INDIC DIGIT THREE}", "007", "-1"):
        (workdir / "checkpoints" / name).mkdir()
    assert complete_steps(workdir / "checkpoints") == [1, 2]
    assert find_checkpoint(workdir).name == "2"
