"""Tar shards: random access gives what was packed, the index is remembered, and the user's folder stays as it is."""

from __future__ import annotations

import io
import json
import os
import pickle
import tarfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from input_pipeline.records import BadRecord, Caption, Reason, Record
from input_pipeline.sources import Source, open_source, webdataset
from input_pipeline.sources.cache import cached_index


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "vlp" / "index"


def pack(path: Path, members: Sequence[tuple[str, bytes]], **options: int) -> Path:
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, "w", **options) as archive:
        for name, data in members:
            information = tarfile.TarInfo(name)
            information.size = len(data)
            archive.addfile(information, io.BytesIO(data))
    return path


def sample(key: str, image: bytes, **content: object) -> list[tuple[str, bytes]]:
    return [(f"{key}.jpg", image), (f"{key}.txt", b"a cat"), (f"{key}.json", json.dumps(content).encode())]


def open_tar(path: Path, columns: Mapping[str, str] | None = None) -> Source:
    return open_source({"format": "webdataset", "path": str(path), "columns": columns or {}})


def test_members_and_json_keys_become_fields(tmp_path: Path) -> None:
    content = {"id": 7, "tags": ["pet"], "meta": {"class": "felis"}, "alt": "Katze", "langs": {"fr": "chat"}}
    path = pack(
        tmp_path / "s.tar",
        [("a/1.JPG", b"x"), ("a/1.json", json.dumps(content).encode()), ("a/1.cls", b"3\n")],
    )
    columns = {"captions": "alt", "language": "de", "group": "meta/class"}
    expected = (Caption("Katze", "", "de"), Caption("chat", "translation", "fr"))
    assert open_tar(path, columns)[0] == Record("7", b"x", expected, ("pet",), "3", "", "felis")
    with pytest.raises(ValueError, match="no 'title' for captions; it has id, tags, meta"):
        open_tar(path, {"captions": "title"})


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_kind_of_tar_header_gives_the_same(tmp_path: Path, kind: int) -> None:
    names = ["short", "d" * 90 + "/" + "n" * 80] + ["é" * 60] * (kind != tarfile.USTAR_FORMAT)
    path = pack(tmp_path / "s.tar", [member for n in names for member in sample(n, n.encode())], format=kind)
    source = open_tar(path)
    assert [source[i].image for i in range(len(source))] == [name.encode() for name in names]
    assert [source[i].id for i in range(len(source))] == [f"s/{name}" for name in names]


def test_shards_follow_each_other_for_threads_and_copies(tmp_path: Path) -> None:
    for shard in range(3):
        members = [m for i in range(5) for m in sample(f"{i:05d}", os.urandom(700), id=shard * 5 + i)]
        pack(tmp_path / "set" / f"{shard:05d}.tar", members)
    before = sorted((tmp_path / "set").iterdir())
    source = open_tar(tmp_path / "set" / "{00000..00002}.tar")
    expected = [source[index] for index in range(15)]
    assert [record.id for record in expected] == [str(index) for index in range(15)]
    copy = pickle.loads(pickle.dumps(source))
    order = [(index * 7) % 15 for index in range(300)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(copy.__getitem__, order)) == [expected[index] for index in order]
    assert sorted((tmp_path / "set").iterdir()) == before


def test_large_samples_are_read_member_by_member(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = open_tar(pack(tmp_path / "s.tar", [("a.mp4", bytes(9999)), *sample("a", b"y" * 5000, id="a")]))
    expected = source[0]
    monkeypatch.setattr(webdataset, "_AT_ONCE", 1)
    assert source[0] == expected and expected.image == b"y" * 5000


def test_an_index_is_built_once_for_each_version_of_a_shard(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = pack(tmp_path / "s.tar", sample("a", b"x") + sample("b", b"y"))
    assert len(open_tar(path)) == 2
    (remembered,) = cache.iterdir()
    cached_index.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(webdataset, "_index", None)
        assert open_tar(path)[1].image == b"y"
    remembered.write_bytes(remembered.read_bytes()[:-3])  # damage
    cached_index.cache_clear()
    stale = open_tar(path)
    assert len(stale) == 2
    pack(path, sample("c", b"z"))
    os.utime(path, ns=(1, 1))
    assert open_tar(path)[0].image == b"z" and len(list(cache.iterdir())) == 2
    webdataset.open_file.__globals__["_open"].cache_clear()
    with pytest.raises(BadRecord, match="has changed since it was opened"):
        stale[1]


def test_a_cache_that_cannot_be_written_only_costs_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert open_tar(pack(tmp_path / "s.tar", sample("a", b"x")))[0].image == b"x"


def test_broken_shards_among_good_ones_count_once_each(tmp_path: Path) -> None:
    pack(tmp_path / "set" / "a.tar", sample("a", b"x"))
    (tmp_path / "set" / "b.tar").write_bytes(b"<html>" * 100)
    (tmp_path / "set" / "c.tar").touch()
    source = open_tar(tmp_path / "set")
    assert len(source) == 3 and source[0].image == b"x"
    for index in (1, 2):
        with pytest.raises(BadRecord) as bad:
            source[index]
        assert bad.value.reason is Reason.UNREADABLE


def test_a_thousand_shards_give_a_first_batch_in_seconds(tmp_path: Path) -> None:
    data = pack(tmp_path / "set" / "0000.tar", sample("0", b"x") + sample("1", b"y")).read_bytes()
    for shard in range(1, 1000):
        (tmp_path / "set" / f"{shard:04d}.tar").write_bytes(data)
    for _ in ("first", "again"):
        start = time.process_time()  # of this process alone: a busy machine changes nothing
        source = open_tar(tmp_path / "set")
        batch = [source[index * 7] for index in range(256)]
        assert time.process_time() - start < 30 and len(source) == 2000 and batch[255].image == b"y"


def test_the_quickstart_packed_is_its_parquet_file(tmp_path: Path, quickstart: Path) -> None:
    table = open_source({"format": "parquet", "path": str(quickstart / "val.parquet")})
    records = [table[index] for index in range(len(table))]
    members = []
    for number, record in enumerate(records):
        content = {"id": record.id, "tags": list(record.tags), "label": record.label}
        members += [
            (f"{number:06d}.jpg", record.image or b""),
            (f"{number:06d}.txt", record.captions[0].text.encode()),
            (f"{number:06d}.json", json.dumps(content).encode()),
        ]
    shard = open_tar(pack(tmp_path / "val.tar", members))
    assert len(shard) == 201
    for index, record in enumerate(records):
        other = shard[index]
        assert (other.id, other.image, other.tags, other.label) == (
            *(record.id, record.image),
            *(record.tags, record.label),
        )
        assert other.captions[0].text == record.captions[0].text


def test_a_header_of_many_high_bytes_is_sound(tmp_path: Path) -> None:
    """Its sum is beyond 16 bits."""
    name = tarfile.TarInfo(f"{'é' * 77}/{'é' * 48}.jpg")
    name.size, name.linkname, name.uname, name.gname = 5, "é" * 50, "é" * 16, "é" * 16
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.USTAR_FORMAT) as archive:
        archive.addfile(name, io.BytesIO(b"a cat"))
    header = (tmp_path / "a.tar").read_bytes()[:512]
    assert sum(header) > 2**16
    source = open_source({"format": "webdataset", "path": str(tmp_path / "a.tar")})
    assert source[0].image == b"a cat"


def test_shards_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    for folder in ("a/x", "b/x"):
        (tmp_path / folder).mkdir(parents=True)
        pack(tmp_path / folder / "0.tar", sample("k", b"x"))
    several, alone = open_tar(tmp_path / "*" / "x" / "0.tar"), open_tar(tmp_path / "a" / "x" / "0.tar")
    assert [several[0].id, several[1].id, alone[0].id] == ["a/x/0/k", "b/x/0/k", "0/k"]
    pack(tmp_path / "b" / "x" / "1.tar", sample("k", b"x"))
    (tmp_path / "b" / "x" / "0.tar").unlink()
    apart = open_tar(tmp_path / "*" / "x" / "*.tar")
    assert [apart[0].id, apart[1].id] == ["0/k", "1/k"]
