"""Files and folders of a bucket that are wanted whole: found as on a disk, fetched once, and anew when they change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from benchmarks.object_store import Door
from input_pipeline import buckets
from input_pipeline.buckets import Bucket
from input_pipeline.evaluation_set import load_evaluation_set
from input_pipeline.sources import open_source
from input_pipeline.sources.guess import guess
from input_pipeline.sources.paths import find_files, find_folder
from vlp.configuration.paths import find

TEXTS = {"a/b.txt": b"one", "a/c.txt": b"two", "a/d.json": b"{}", "a/e/f.txt": b"deep", "a/[1].txt": b"odd"}
Write = Callable[..., Path]


@pytest.fixture(params=["gs", "s3"])
def address(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    door: Door = request.getfixturevalue({"gs": "google", "s3": "amazon"}[request.param])
    monkeypatch.setattr(buckets, "_WAITS", (0.01,))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    door.requests.clear()
    place = f"{request.param}://bucket/{request.node.name.replace('[', '-').rstrip(']')}"
    yield place
    door.fault = lambda method, path: ""
    Bucket(place).remove(list(Bucket(place).versions()))


@pytest.fixture
def door(address: str, request: pytest.FixtureRequest) -> Door:
    found: Door = request.getfixturevalue("google" if address.startswith("gs") else "amazon")
    return found


def contents(files: tuple[Path, ...] | list[Path]) -> list[bytes]:
    return [file.read_bytes() for file in files]


def gets(door: Door, word: str) -> int:
    return sum(word in unquote(path) for method, path in door.requests if method == "GET")


def test_a_file_a_folder_and_a_pattern_are_what_they_are_on_a_disk(address: str) -> None:
    bucket = Bucket(address)
    for name, content in TEXTS.items():
        bucket.write(name, content)
    assert contents(find_files(f"{address}/a/b.txt", ".txt")) == [b"one"]
    assert contents(find_files(f"{address}/a", ".txt")) == [b"odd", b"one", b"two"]  # by names
    assert contents(find_files(f"{address}/a/[bc].txt", ".txt")) == [b"one", b"two"]
    assert contents(find_files(f"{address}/a/[1].txt", ".txt")) == [b"odd"]  # there as it stands
    assert contents(find_files(f"{address}/*/?.txt", ".txt")) == [b"one", b"two"]
    folder = find_folder(f"{address}/a/")
    assert {str(one.relative_to(folder)) for one in folder.rglob("*.*")} == {name[2:] for name in TEXTS}
    assert find(f"{address}/a")[0] == folder and contents(find(f"{address}/a/*.json")) == [b"{}"]
    assert contents(find(f"{address}/a/e/f.txt")) == [b"deep"]
    for missing in (f"{address}/none", f"{address}/a/*.tar"):
        with pytest.raises(ValueError, match="there is no such object"):
            find_files(missing, ".tar")
    with pytest.raises(ValueError, match="there is nothing below it"):
        find_folder(f"{address}/none")


def test_a_copy_is_of_one_content_and_made_once(address: str, door: Door, tmp_path: Path) -> None:
    bucket = Bucket(address)
    bucket.write("once.txt", b"first")
    for _ in range(2):
        assert contents(find_files(f"{address}/once.txt", ".txt")) == [b"first"]
        assert (find_folder(address) / "once.txt").read_bytes() == b"first"
    assert gets(door, "once.txt") == 2  # of the file, and of the folder
    bucket.write("once.txt", b"second")
    assert contents(find_files(f"{address}/once.txt", ".txt")) == [b"second"]
    assert (find_folder(address) / "once.txt").read_bytes() == b"second"


def test_what_breaks_off_is_tried_again_and_what_is_forbidden_leaves_nothing(
    address: str, door: Door, tmp_path: Path
) -> None:
    bucket = Bucket(address)
    bucket.write("cut.txt", bytes(range(256)) * 64)
    left = ["half", "503", "lost"]
    door.fault = lambda method, path: (
        left.pop() if method == "GET" and "cut.txt" in unquote(path) and left else ""
    )
    assert contents(find_files(f"{address}/cut.txt", ".txt")) == [bytes(range(256)) * 64] and not left
    bucket.write("cut.txt", b"another")
    door.fault = lambda method, path: "403" if method == "GET" and "cut.txt" in unquote(path) else ""
    for read in (lambda: find_files(f"{address}/cut.txt", ".txt"), lambda: find_folder(address)):
        with pytest.raises(ValueError, match="cannot be fetched: BucketError") as said:
            read()
        assert "\n" not in str(said.value)
    kept = [file for file in (tmp_path / "cache").rglob("*") if file.is_file() and file.name != ".lock"]
    assert [file.stat().st_size for file in kept] == [256 * 64]


def test_an_evaluation_set_of_a_bucket_is_that_of_the_disk(
    address: str, write_parquet: Write, tmp_path: Path
) -> None:
    """As a table, and as a folder of pictures."""
    bucket, shown = (
        Bucket(address),
        {"resolution": 8, "resize": "squash", "crop": "center", "mean": 0, "std": 1},
    )
    file = write_parquet(3, "set")
    bucket.write("sets/set.parquet", file)
    assert guess(f"{address}/sets").format == "parquet"
    ours, theirs = (
        load_evaluation_set({"format": "parquet", "path": str(path), "columns": {}}, shown)
        for path in (file, f"{address}/sets")
    )
    assert ours.ids == theirs.ids and (ours.images[:] == theirs.images[:]).all()
    record = open_source({"format": "parquet", "path": str(file), "columns": {}})[0]
    assert record.image is not None
    bucket.write("pictures/cat/1.png", record.image)
    pictures = open_source({"format": "folder", "path": f"{address}/pictures", "columns": {}})
    assert len(pictures) == 1 and pictures[0].image == record.image
