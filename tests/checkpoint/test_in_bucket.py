"""Checkpoints in buckets: whole by their manifests, and restored by a machine that has nothing."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from checkpoint_states import abstract, assert_same, description, parts

from benchmarks.object_store import Door
from input_pipeline import buckets
from input_pipeline.buckets import Bucket
from vlp.checkpoint import Checkpointer, digest_of, find_checkpoint, load_model_arrays, steps_of

pytestmark = pytest.mark.slow


@pytest.fixture(params=["gs", "s3"])
def door(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    found: Door = request.getfixturevalue({"gs": "google", "s3": "amazon"}[request.param])
    monkeypatch.setattr(buckets, "_WAITS", (0.01,))
    yield found
    found.fault = lambda method, path: ""


Saved = Callable[..., Checkpointer]


@pytest.fixture
def run(door: Door, request: pytest.FixtureRequest) -> str:
    """An address of the test's own."""
    return f"{'gs' if door.google else 's3'}://bucket/{zlib.crc32(request.node.nodeid.encode())}"


@pytest.fixture
def saved(run: str, tmp_path: Path) -> Saved:
    """Saves some steps from one machine, and waits until they are in the bucket."""

    def save(*steps: int, **options: Any) -> Checkpointer:
        checkpointer = Checkpointer(tmp_path / "one", address=f"{run}/checkpoints", **options)
        assert checkpointer.newest() is None
        for step in steps:
            checkpointer.save(step, *parts(step), description(step))
        checkpointer.wait()
        return checkpointer

    return save


def test_a_save_is_vouched_for_before_its_manifest_and_outlives_a_storm(
    door: Door, run: str, saved: Saved
) -> None:
    bucket = Bucket(f"{run}/checkpoints")
    vouched: list[bool] = []
    storm = {"503": 3, "lost": 3}

    def fault(method: str, path: str) -> str:
        left = next((name for name, count in storm.items() if count), "")
        storm[left] = storm.get(left, 1) - 1
        return left

    checkpointer = saved(vouch=lambda: vouched.append("1/manifest.json" in bucket.versions()))
    door.fault = fault
    checkpointer.save(1, *parts(1), description(1))
    checkpointer.wait()
    door.fault = lambda method, path: ""
    assert vouched == [False] and steps_of(run) == [1]
    for step in (2, 3):
        checkpointer.save(step, *parts(step), description(step))
    checkpointer.close()
    assert steps_of(run) == [2, 3] and not bucket.versions("1")


def test_a_machine_that_has_nothing_restores_the_newest_that_is_whole(
    run: str, saved: Saved, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    saved(2, 3).close()
    address, bucket = f"{run}/checkpoints", Bucket(f"{run}/checkpoints")
    bucket.write("7/description.json", b"{}")  # a save that was cut off
    damage(bucket, "3")
    caplog.set_level(logging.WARNING)
    copy = find_checkpoint(run)
    assert copy.name == "2" and "the bytes of" in caplog.text
    with pytest.raises(ValueError, match="no checkpoint of step 7"):
        find_checkpoint(run, 7)
    other = Checkpointer(tmp_path / "another machine", address=address)
    folder = other.newest()
    assert folder is not None and folder.name == "2" and steps_of(run) == [2]
    assert "3.damaged/manifest.json" in bucket.versions() and not bucket.versions("7")
    assert other.newest() == folder and bucket.versions("3"), "what was set aside keeps its bytes"
    model, training, words = other.restore(folder, *abstract(parts(2)))
    assert_same((model, training), parts(2))
    assert words.progress["step"] == 2
    assert digest_of(find_checkpoint(address)) == digest_of(find_checkpoint(f"{address}/2"))
    assert load_model_arrays(find_checkpoint(run))["params"]["half"].shape == (64, 128)


def test_a_copy_that_has_rotted_or_is_of_what_was_written_anew_is_made_again(run: str, saved: Saved) -> None:
    saved(2).close()
    bucket, copy = Bucket(f"{run}/checkpoints"), find_checkpoint(run)
    kept = next(path for path in copy.rglob("manifest.ocdbt") if path.parent.name == "model")
    good = kept.read_bytes()
    kept.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    assert find_checkpoint(run) == copy and kept.read_bytes() == good
    bucket.write("2/manifest.json", bucket.read("2/manifest.json") + b"\n")
    assert find_checkpoint(run) == copy
    assert (copy / "manifest.json").read_bytes() == bucket.read("2/manifest.json")


def damage(bucket: Bucket, step: str) -> None:
    """Changes a byte of a checkpoint."""
    name = next(name for name in bucket.versions(step) if name.endswith("arrays/model/manifest.ocdbt"))
    content = bytearray(bucket.read(name))
    content[len(content) // 2] ^= 1
    bucket.write(name, bytes(content))


def test_a_process_that_is_not_the_first_keeps_nothing_of_what_its_host_had_got_further_with(
    run: str, saved: Saved, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(2).close()
    monkeypatch.setattr("vlp.checkpoint.checkpointer.from_first", lambda step: 2)
    third = Checkpointer(tmp_path / "third", address=f"{run}/checkpoints")
    third._primary = False
    for stale in ("1", "7", "8.saving"):
        (tmp_path / "third" / stale / "arrays").mkdir(parents=True)
    assert third.newest() == tmp_path / "third" / "2"
    assert [path.name for path in (tmp_path / "third").iterdir()] == ["2"]


def test_where_nothing_may_be_removed_older_ones_stay_and_where_nothing_may_be_written_the_last_one(
    door: Door, run: str, saved: Saved, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    checkpointer = saved(2)
    door.fault = lambda method, path: "403" if method == "DELETE" or "delete" in path else ""
    for step in (4, 5):
        checkpointer.save(step, *parts(step), description(step))
    checkpointer.wait()
    assert {4, 5} < {*steps_of(run)} and "stays in the bucket" in caplog.text
    door.fault = lambda method, path: "403" if method in ("PUT", "POST") else ""
    checkpointer.save(6, *parts(6), description(6))
    with pytest.raises(RuntimeError, match=f"a checkpoint in {run}/checkpoints could not be written: .*403"):
        checkpointer.wait()
    door.fault = lambda method, path: ""
    assert max(steps_of(run)) == 5
