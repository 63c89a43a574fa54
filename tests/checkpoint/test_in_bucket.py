"""Checkpoints in buckets: whole by their manifests, and restored by a machine that has nothing."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

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


def test_what_a_bucket_holds_is_a_checkpoint_by_its_manifest_and_all_that_a_new_machine_needs(
    door: Door, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = f"{'gs' if door.google else 's3'}://bucket/checkpoints-{door.google}"
    address, bucket = f"{run}/checkpoints", Bucket(f"{run}/checkpoints")
    vouched: list[bool] = []
    storm = {"503": 3, "lost": 3}

    def fault(method: str, path: str) -> str:
        left = next((name for name, count in storm.items() if count), "")
        storm[left] = storm.get(left, 1) - 1
        return left

    checkpointer = Checkpointer(
        tmp_path / "one",
        keep_last=2,
        address=address,
        vouch=lambda: vouched.append("1/manifest.json" in bucket.versions()),
    )
    assert checkpointer.newest() is None
    door.fault = fault
    checkpointer.save(1, *parts(1), description(1))
    checkpointer.wait()
    door.fault = lambda method, path: ""
    assert vouched == [False] and steps_of(run) == [1]
    for step in (2, 3):
        checkpointer.save(step, *parts(step), description(step))
    checkpointer.close()
    assert steps_of(run) == [2, 3] and not bucket.versions("1")

    # A save that was cut off, and a checkpoint whose bytes have changed.
    bucket.write("7/description.json", b"{}")
    name = next(name for name in bucket.versions("3") if name.endswith("arrays/model/manifest.ocdbt"))
    content = bytearray(bucket.read(name))
    content[len(content) // 2] ^= 1
    whole = bucket.read(name)
    bucket.write(name, bytes(content))
    caplog.set_level(logging.WARNING)
    copy = find_checkpoint(run)
    assert copy.name == "2" and "the bytes of" in caplog.text
    kept = next(path for path in copy.rglob("manifest.ocdbt") if path.parent.name == "model")
    good = kept.read_bytes()
    kept.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))  # a copy that has rotted is made anew
    assert find_checkpoint(run) == copy and kept.read_bytes() == good
    bucket.write(
        "2/manifest.json", bucket.read("2/manifest.json") + b"\n"
    )  # and of what has been written anew
    assert find_checkpoint(run) == copy
    assert (copy / "manifest.json").read_bytes() == bucket.read("2/manifest.json")
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
    assert whole != content and digest_of(find_checkpoint(address)) == digest_of(
        find_checkpoint(f"{address}/2")
    )
    assert load_model_arrays(find_checkpoint(run))["params"]["half"].shape == (64, 128)

    # A process that is not the first keeps nothing of what an earlier launch on its host had got further with.
    monkeypatch.setattr("vlp.checkpoint.checkpointer.from_first", lambda step: 2)
    third = Checkpointer(tmp_path / "third", address=address)
    third._primary = False
    for stale in ("1", "7", "8.saving"):
        (tmp_path / "third" / stale / "arrays").mkdir(parents=True)
    assert third.newest() == tmp_path / "third" / "2"
    assert [path.name for path in (tmp_path / "third").iterdir()] == ["2"]
    monkeypatch.undo()

    # Where nothing may be removed older ones stay; where nothing may be written the save fails, and the last one stays.
    door.fault = lambda method, path: "403" if method == "DELETE" or "delete" in path else ""
    for step in (4, 5):
        other.save(step, *parts(step), description(step))
    other.wait()
    assert {4, 5} < {*steps_of(run)} and "stays in the bucket" in caplog.text
    door.fault = lambda method, path: "403" if method in ("PUT", "POST") else ""
    other.save(6, *parts(6), description(6))
    with pytest.raises(RuntimeError, match=f"a checkpoint in {address} could not be written: .*403"):
        other.wait()
    door.fault = lambda method, path: ""
    assert max(steps_of(run)) == 5
