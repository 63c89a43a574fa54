"""A disk that is full, and folders that vanish under a run: what was whole stays whole, and nothing else looks it."""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from checkpoint_states import description

from vlp.checkpoint import Checkpointer, complete_steps, find_checkpoint, load_model_arrays
from vlp.checkpoint.arrays import start_saving
from vlp.checkpoint.manifest import find_damage


def large(step: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Four MiB that do not compress and tell the step."""
    noise = np.random.default_rng(step).random((1024, 1024), np.float32)
    return {"params": {"w": jax.device_put(noise)}}, {"step": jax.numpy.asarray(step)}


def assert_whole(directory: Path, step: int) -> None:
    arrays = load_model_arrays(find_checkpoint(directory, step))
    np.testing.assert_array_equal(arrays["params"]["w"], large(step)[0]["params"]["w"])


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[tuple[Path, Callable[[int], None]]]:
    """A disk of six MiB, and what gives it another size."""

    def size(mebibytes: int, *more: str) -> None:
        options = ",".join([*more, f"size={mebibytes}m"])
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(tmp_path)], check=True)

    try:
        size(6)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"a small disk cannot be mounted here, which takes root: {error}")
    yield tmp_path, lambda mebibytes: size(mebibytes, "remount")
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def test_a_full_disk_costs_no_checkpoint_but_the_one_that_did_not_fit(
    small_disk: tuple[Path, Callable[[int], None]],
) -> None:
    directory, resize = small_disk
    checkpointer = Checkpointer(directory)
    checkpointer.save(1, *large(1), description(1))
    checkpointer.save(2, *large(2), description(2))
    with pytest.raises(RuntimeError, match=r"could not be written.*(No space left|RESOURCE_EXHAUSTED)"):
        checkpointer.wait()
    assert [path.name for path in directory.iterdir()] == ["1"]
    assert_whole(directory, 1)
    resize(32)
    checkpointer.save(2, *large(2), description(2))
    checkpointer.close()
    assert_whole(directory, 2)


def test_a_folder_that_vanishes_between_saves_is_made_again(tmp_path: Path) -> None:
    checkpointer = Checkpointer(tmp_path / "run" / "checkpoints")
    checkpointer.save(1, *large(1), description(1))
    checkpointer.wait()
    shutil.rmtree(tmp_path / "run")
    checkpointer.save(2, *large(2), description(2))
    checkpointer.close()
    assert complete_steps(tmp_path / "run" / "checkpoints") == [2]
    assert_whole(tmp_path / "run" / "checkpoints", 2)


def test_a_folder_that_vanishes_during_a_save_leaves_nothing_that_looks_whole(tmp_path: Path) -> None:
    dice, failures = random.Random(0), 0
    for round_number in range(6):
        directory = tmp_path / str(round_number)
        checkpointer = Checkpointer(directory)
        checkpointer.save(1, *large(1), description(1))
        time.sleep(dice.uniform(0.0, 0.06 * round_number))
        shutil.rmtree(directory, ignore_errors=True)
        try:
            checkpointer.wait()
        except RuntimeError as error:
            assert str(directory) in str(error)
            failures += 1
        for step in complete_steps(directory):
            if not find_damage(directory / str(step)):
                assert_whole(directory, step)
        checkpointer.save(2, *large(2), description(2))
        checkpointer.close()
        assert_whole(directory, 2)
    assert failures


def test_files_that_went_before_the_digests_were_taken_make_no_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def losing(folder: Path, parts: Any) -> Callable[[], None]:
        (folder / name).unlink()
        return start_saving(folder, parts)

    monkeypatch.setattr("vlp.checkpoint.saving.start_saving", losing)
    for number, name in enumerate(("arrays.json", "description.json", "tokenizer.model")):
        checkpointer = Checkpointer(tmp_path / str(number))
        checkpointer.save(1, *large(1), description(1))
        with pytest.raises(RuntimeError, match=f"could not be written: {name} of .* has been removed"):
            checkpointer.close()
        assert complete_steps(tmp_path / str(number)) == []
