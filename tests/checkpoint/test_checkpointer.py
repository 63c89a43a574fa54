"""Saving, restoring, keeping and refusing, on real folders."""

from __future__ import annotations

import logging
import resource
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from checkpoint_states import abstract, assert_same, description, flip_byte, largest_file, parts, sharding

from vlp.checkpoint import Checkpointer, load_model_arrays
from vlp.checkpoint.arrays import start_saving, write_listing


@pytest.fixture
def checkpointer(tmp_path: Path) -> Iterator[Checkpointer]:
    opened = Checkpointer(tmp_path)
    yield opened
    opened.close()


def save(checkpointer: Checkpointer, *steps: int) -> None:
    for step in steps:
        checkpointer.save(step, *parts(step), description(step))
    checkpointer.wait()


@pytest.mark.parametrize("devices", [8, 2, 1])
def test_restores_every_bit_onto_any_number_of_devices(checkpointer: Checkpointer, devices: int) -> None:
    save(checkpointer, 3)
    folder = checkpointer.newest()
    assert folder is not None
    wanted = abstract(parts(3), devices)
    model, training, words = checkpointer.restore(folder, *wanted)
    assert_same((model, training), parts(3))
    assert words == description(3)
    for leaf, shape in zip(jax.tree.leaves((model, training)), jax.tree.leaves(wanted), strict=True):
        assert leaf.sharding.is_equivalent_to(shape.sharding, leaf.ndim)
    assert len(model["params"]["half"].addressable_shards) == devices


def test_saving_and_restoring_say_nothing(
    checkpointer: Checkpointer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        save(checkpointer, 3)
        folder = checkpointer.newest()
        assert folder is not None
        checkpointer.restore(folder, *abstract(parts(3), 1))
    assert [record.message for record in caplog.records] == []


@pytest.mark.parametrize("devices", [8, 1])
def test_what_is_saved_is_the_state_at_the_call(checkpointer: Checkpointer, devices: int) -> None:
    model, training = parts(1, devices)
    checkpointer.save(1, model, training, description(1))
    overwrite = jax.jit(lambda tree: jax.tree.map(lambda leaf: leaf + 1, tree), donate_argnums=0)
    for _ in range(5):
        model["params"] = overwrite(model["params"])
    folder = checkpointer.newest()
    assert folder is not None
    restored, _, _ = checkpointer.restore(folder, *abstract(parts(1, devices), devices))
    assert_same(restored, parts(1, devices)[0])


def test_a_save_asks_nothing_of_the_disk_before_it_returns(
    checkpointer: Checkpointer, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, release = threading.Event(), threading.Event()

    def slow(*arguments: Any) -> None:
        writing.set()
        assert release.wait(60)
        write_listing(*arguments)

    monkeypatch.setattr("vlp.checkpoint.saving.write_listing", slow)
    checkpointer.save(1, *parts(1), description(1))  # would never return if it wrote by itself
    assert writing.wait(60)
    release.set()
    checkpointer.wait()


def test_keeps_the_last_and_every_mth(tmp_path: Path) -> None:
    checkpointer = Checkpointer(tmp_path, keep_last=2, keep_every=4)
    save(checkpointer, *range(1, 11))
    checkpointer.close()
    assert sorted(int(path.name) for path in tmp_path.iterdir()) == [4, 8, 9, 10]


def test_keeps_what_the_caller_still_needs(checkpointer: Checkpointer, tmp_path: Path) -> None:
    save(checkpointer, 1, 2, 3)
    checkpointer.save(4, *parts(4), description(4), keep=(2,))
    assert checkpointer.intact(2) == tmp_path / "2"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2", "3", "4"]
    flip_byte(largest_file(tmp_path / "2" / "arrays"))
    for step, damage in ((2, "have changed"), (1, "is missing")):
        with pytest.raises(ValueError, match=f"checkpoint .*/{step} cannot be used: .*{damage}"):
            checkpointer.intact(step)


def test_keeps_at_least_one(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="keep_last is 0"):
        Checkpointer(tmp_path, keep_last=0)


def test_a_fresh_folder_has_none(checkpointer: Checkpointer) -> None:
    assert checkpointer.newest() is None


def truncate(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


DAMAGES = [
    (flip_byte, "", "have changed"),
    (truncate, "", "bytes instead of"),
    (Path.unlink, "", "is missing"),
    (flip_byte, "description.json", "have changed"),
    (Path.unlink, "tokenizer.model", "is missing"),
    (truncate, "arrays.json", "bytes instead of"),
    (truncate, "manifest.json", "cannot be read"),
    (Path.unlink, "manifest.json", "is missing"),
]


@pytest.mark.parametrize(("damage", "name", "words"), DAMAGES)
def test_damage_is_named_and_the_one_before_taken(
    checkpointer: Checkpointer,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[Path], None],
    name: str,
    words: str,
) -> None:
    save(checkpointer, 1, 2)
    victim = tmp_path / "2" / name if name else largest_file(tmp_path / "2" / "arrays")
    damage(victim)
    with caplog.at_level(logging.WARNING):
        assert checkpointer.newest() == tmp_path / "1"
    assert str(victim.relative_to(tmp_path / "2")) in caplog.text
    assert words in caplog.text
    assert (tmp_path / "2.damaged").is_dir()
    save(checkpointer, 2)
    assert checkpointer.newest() == tmp_path / "2"


def test_damage_to_all_is_an_error_and_stays_one(checkpointer: Checkpointer, tmp_path: Path) -> None:
    save(checkpointer, 1, 2)
    for step in (1, 2):
        flip_byte(largest_file(tmp_path / str(step)))
    for again in (checkpointer, Checkpointer(tmp_path)):
        with pytest.raises(ValueError, match=r"no intact checkpoint, only 1\.damaged, 2\.damaged"):
            again.newest()


def test_other_arrays_are_refused_by_name(checkpointer: Checkpointer) -> None:
    save(checkpointer, 1)
    model, training = parts(1)
    del model["rest"]
    model["params"]["more"] = jnp.zeros(3)
    model["params"]["half"] = jnp.zeros((64, 128))
    folder = checkpointer.newest()
    assert folder is not None
    with pytest.raises(ValueError, match="does not fit") as error:
        checkpointer.restore(folder, *abstract((model, training)))
    words = str(error.value)
    assert "params/more is not in the checkpoint" in words
    assert "rest/seen is only in the checkpoint" in words
    assert "params/half is bfloat16[64, 128] there, float32[64, 128] here" in words


def test_the_newest_step_is_left_and_an_earlier_one_refused(
    checkpointer: Checkpointer, tmp_path: Path
) -> None:
    save(checkpointer, 5)
    before = (tmp_path / "5" / "manifest.json").stat().st_mtime_ns
    save(checkpointer, 5)
    assert (tmp_path / "5" / "manifest.json").stat().st_mtime_ns == before
    with pytest.raises(ValueError, match="holds step 5 already"):
        save(checkpointer, 4)


def test_a_failed_write_is_raised_by_the_next_call_and_harms_nothing(
    checkpointer: Checkpointer, tmp_path: Path
) -> None:
    save(checkpointer, 1)
    model, training = parts(2)
    model["params"]["large"] = jax.random.normal(jax.random.key(0), (1024, 1024))
    unlimited, handler = (
        resource.getrlimit(resource.RLIMIT_FSIZE),
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN),
    )
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, unlimited[1]))
    try:
        checkpointer.save(2, model, training, description(2))
        with pytest.raises(RuntimeError, match=r"could not be written.*File too large"):
            checkpointer.save(3, model, training, description(3))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        signal.signal(signal.SIGXFSZ, handler)
    assert [path.name for path in tmp_path.iterdir()] == ["1"]
    save(checkpointer, 2)
    assert checkpointer.newest() == tmp_path / "2"


def test_deleted_arrays_are_refused(checkpointer: Checkpointer) -> None:
    model, training = parts(1)
    model["params"]["half"].delete()
    with pytest.raises(ValueError, match="deleted: params/half"):
        checkpointer.save(1, model, training, description(1))


def test_leftovers_of_killed_processes_are_removed(tmp_path: Path) -> None:
    for name in ("7.saving", "3.removing"):
        (tmp_path / name / "arrays").mkdir(parents=True)
    checkpointer = Checkpointer(tmp_path)
    assert len(list(tmp_path.iterdir())) == 2  # whoever only reads leaves a save that is under way alone
    assert checkpointer.newest() is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["lr[1]", "lr\\1", "star*", "which?", "[a", "a b"])
def test_a_path_that_could_be_a_pattern_is_one_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "starless" / "checkpoints").mkdir(parents=True)
    directory = tmp_path / name / "checkpoints"
    checkpointer = Checkpointer(directory)
    save(checkpointer, 1, 2)
    folder = checkpointer.newest()
    assert folder == directory / "2" and (folder / "arrays" / "model" / "manifest.ocdbt").is_file()
    restored, _, _ = checkpointer.restore(folder, *abstract(parts(2)))
    assert_same(restored, parts(2)[0])
    checkpointer.close()
    assert load_model_arrays(folder)["params"]["half"].shape == (64, 128)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["starless", name])


def test_arrays_that_were_not_brought_together_are_no_checkpoint(
    checkpointer: Checkpointer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def halfway(folder: Path, state: Any) -> Callable[[], None]:
        wait = start_saving(folder, state)

        def finish() -> None:
            wait()
            (folder / "arrays" / "training" / "manifest.ocdbt").unlink()

        return finish

    monkeypatch.setattr("vlp.checkpoint.saving.start_saving", halfway)
    checkpointer.save(1, *parts(1), description(1))
    with pytest.raises(RuntimeError, match=r"arrays/training/manifest\.ocdbt of .* has been removed"):
        checkpointer.wait()
    assert list(tmp_path.iterdir()) == []


def test_a_clock_that_jumps_during_a_save_is_not_noticed(
    checkpointer: Checkpointer, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, jump = time.time, [0.0]

    def jumping(folder: Path, state: Any) -> Callable[[], None]:
        wait = start_saving(folder, state)
        jump[0] += 20 * 365 * 86400.0
        return wait

    monkeypatch.setattr(time, "time", lambda: now() + jump[0])
    monkeypatch.setattr("vlp.checkpoint.saving.start_saving", jumping)
    save(checkpointer, 1, 2)
    assert checkpointer.newest() is not None


def test_a_save_that_takes_too_long_is_an_error(
    checkpointer: Checkpointer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vlp.checkpoint.arrays.SAVE_SECONDS", 0.0)
    checkpointer.save(1, *parts(1), description(1))
    with pytest.raises(RuntimeError, match="could not be written: it took more than 0 s"):
        checkpointer.wait()


def test_a_copied_checkpoint_goes_on_in_another_run(checkpointer: Checkpointer, tmp_path: Path) -> None:
    save(checkpointer, 6)
    shutil.copytree(tmp_path / "6", tmp_path / "other" / "6")
    shutil.rmtree(tmp_path / "6")
    other = Checkpointer(tmp_path / "other")
    folder = other.newest()
    assert folder is not None
    model, _, _ = other.restore(folder, *abstract(parts(6), 4))
    assert_same(model, parts(6)[0])
    assert model["params"]["half"].sharding.mesh == sharding(4).mesh
