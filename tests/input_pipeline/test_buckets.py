"""Objects of real servers on loopback: written whole, read in stretches, tried again, and refused in one line."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.object_store import Door, Tokens
from input_pipeline import buckets
from input_pipeline.buckets import Bucket, BucketError

PLACE = "runs/[1] *x"  # of which nothing is a pattern


@pytest.fixture(params=["gs", "s3"])
def door(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    found: Door = request.getfixturevalue({"gs": "google", "s3": "amazon"}[request.param])
    monkeypatch.setattr(buckets, "_WAITS", (0.01,))
    yield found
    found.fault = lambda method, path: ""


@pytest.fixture
def bucket(door: Door) -> Bucket:
    return Bucket(f"{'gs' if door.google else 's3'}://bucket/{PLACE}")


def test_an_object_is_written_whole_listed_read_in_stretches_and_removed(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = bucket.write("a/b.txt", b"hello")
    assert bucket.read("a/b.txt") == b"hello" and bucket.version("a/b.txt").tag == first.tag
    assert bucket.read_range("a/b.txt", 1, 3, first.tag) == bucket.read_range("a/b.txt", 1, 3) == b"el"
    assert list(bucket.versions()) == list(bucket.versions("a")) == ["a/b.txt"] and not bucket.versions("a/b")
    with pytest.raises(FileExistsError):
        bucket.read_range("a/b.txt", 1, 3, "another")
    with pytest.raises(FileExistsError):
        bucket.write("a/b.txt", b"mine", new=True)
    second = bucket.write("a/b.txt", b"hello2", instead=first)
    with pytest.raises(FileExistsError):
        bucket.write("a/b.txt", b"late", instead=first)
    assert bucket.read("a/b.txt") == b"hello2" and second.tag != first.tag
    monkeypatch.setattr(buckets, "PART", 5 << 20)
    monkeypatch.setattr(buckets, "STRETCH", 4 << 20)
    (tmp_path / "large").write_bytes(os.urandom(11 << 20))
    bucket.write("large", tmp_path / "large")
    bucket.download("large", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == (tmp_path / "large").read_bytes()
    bucket.remove(["a/b.txt", "large", "never there"])
    assert not bucket.versions()
    with pytest.raises(FileNotFoundError):
        bucket.read("a/b.txt")


def test_what_a_server_breaks_off_is_tried_again_and_what_it_forbids_is_one_line(
    bucket: Bucket, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults: list[str] = []
    door.fault = lambda method, path: faults.pop() if faults else ""
    for fault in ("503", "lost", "half", "500"):
        faults[:] = [fault, fault]
        bucket.write("c", fault.encode())
        faults[:] = [fault, fault]
        assert bucket.read("c") == fault.encode() and not faults
    door.fault = lambda method, path: "403" if method == "DELETE" or "delete" in path else ""
    with pytest.raises(BucketError, match=rf"{bucket.address.split('[')[0]}.*/c: .*403") as refused:
        bucket.remove(["c"])
    assert refused.value.for_good and "\n" not in str(refused.value)
    monkeypatch.setattr(buckets, "PATIENCE", 0.0)
    buckets._store.cache_clear()
    monkeypatch.setattr(buckets, "_RETRIES", 1)
    door.fault = lambda method, path: "503"
    with pytest.raises(BucketError, match="503") as silent:
        bucket.read("c")
    assert not silent.value.for_good
    buckets._store.cache_clear()


def test_a_token_that_ran_out_is_fetched_anew_however_long_its_service_is_out_of_order(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Machines of the clouds have no keys, only such a service: here it is found where theirs would be."""
    server = os.environ["STORAGE_EMULATOR_HOST" if door.google else "AWS_ENDPOINT_URL"]
    for name in ("STORAGE_EMULATOR_HOST", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GOOGLE_BASE_URL", server)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", server)
    for name in ("GCE_METADATA_HOST", "GCE_METADATA_IP"):
        monkeypatch.setenv(name, server.removeprefix("http://"))
    monkeypatch.setattr(buckets, "_RETRIES", 0)
    monkeypatch.setattr(buckets, "_admitted", set())
    buckets._store.cache_clear()
    tokens = door.tokens = Tokens(uses=2)
    bucket = Bucket(f"{'gs' if door.google else 's3'}://bucket/tokens")
    try:
        for number in range(4):
            bucket.write(str(number), b"kept")
        assert tokens.given == 2
        tokens.used, tokens.out = tokens.uses, 8
        assert bucket.read("3") == b"kept" and not tokens.out
        assert tokens.given == 3 and len(bucket.versions()) == 4
        # What was never good is no outage: nobody waits for a quarter of an hour to hear of it.
        monkeypatch.setattr(buckets, "_admitted", set())
        tokens.uses = 0
        with pytest.raises(BucketError, match="401") as refused:
            bucket.read("3")
        assert refused.value.for_good
    finally:
        door.tokens = None
        buckets._store.cache_clear()


def test_what_is_no_address_of_a_bucket_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for address in ("gs://", "https://host/a"):
        with pytest.raises(ValueError, match="names no bucket"):
            Bucket(address)
    monkeypatch.setattr(buckets, "_obstore", lambda: None)
    with pytest.raises(ValueError, match="pip install 'obstore"):
        Bucket("gs://bucket/run")


def test_it_waits_longer_each_time_and_half_a_minute_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("obstore")
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    monkeypatch.setattr(buckets, "_store", functools.cache(lambda *place: None))
    failures = iter(range(8))

    def ask(own: Any, store: Any, path: str) -> str:
        if next(failures, None) is not None:
            raise own.exceptions.BaseError("busy")
        return path

    assert Bucket("s3://bucket/run")._tried("a", ask) == "run/a"
    assert waited == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


def test_two_refusals_are_for_good_and_an_outage_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    own = pytest.importorskip("obstore").exceptions
    monkeypatch.setattr(buckets, "_store", functools.cache(lambda *place: None))

    def asked(error: Exception, admitted: bool, patience: float | None = None) -> tuple[int, bool]:
        """How often, until it was given up or there was an answer; and whether it was for good."""
        waited: list[float] = []
        monkeypatch.setattr(time, "sleep", waited.append)
        monkeypatch.setattr(buckets, "_admitted", {("s3", "bucket")} if admitted else set())

        def ask(*given: Any) -> str:
            if len(waited) == 6:
                return ""
            raise error

        try:
            Bucket("s3://bucket/run", patience)._tried("a", ask)
        except BucketError as said:
            return len(waited) + 1, said.for_good
        return len(waited) + 1, False

    denied, unknown = own.PermissionDeniedError("403"), own.UnauthenticatedError("401")
    assert asked(denied, True) == asked(denied, False) == asked(unknown, False) == (2, True)
    assert asked(unknown, True) == (7, False), "a token that was good has run out"
    service = own.BaseError("token request: status code: 503")
    assert asked(service, False) == (7, False)
    assert asked(own.BaseError("token request: status code: 404"), False) == (2, True)
    assert asked(service, False, patience=0.0) == (1, False)
