"""Shards in a bucket: every record once an epoch, each host its own, and never more on the disk than allowed."""

from __future__ import annotations

import concurrent.futures
import json
import multiprocessing
import pickle
import tarfile
import time
from collections import Counter
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.object_store import Door
from benchmarks.streaming import Disk
from input_pipeline import buckets
from input_pipeline.buckets import Bucket
from input_pipeline.records import Caption, Record
from input_pipeline.sources import open_source
from input_pipeline.sources.array_record import encode_record
from input_pipeline.streaming import cache
from input_pipeline.streaming.cache import ShardCache
from input_pipeline.streaming.index import INDEX
from input_pipeline.streaming.lanes import Lanes, Windows, lanes_of
from input_pipeline.tokenizers import Tokenizer

SIZES = (7, 12, 1, 9, 15, 3, 11, 8, 10, 4)


def windows(lanes: int, window: int = 5, expected: list[list[int]] | None = None) -> Windows:
    return Windows(SIZES, lanes, window, 0, "shards", (expected if expected is not None else []).append)


@pytest.mark.parametrize("lanes", [1, 4])
def test_every_epoch_of_the_lanes_has_every_record_once_and_moves_it_within_its_window(lanes: int) -> None:
    expected: list[list[int]] = []
    order, total = windows(lanes, expected=expected), sum(SIZES)
    ends = [lane * total // lanes for lane in range(lanes + 1)]
    seen = []
    for epoch in range(3):
        shown = [
            order.record(lane, epoch * (ends[lane + 1] - ends[lane]) + visit)
            for lane in range(lanes)
            for visit in range(ends[lane + 1] - ends[lane])
        ]
        assert sorted(shown) == list(range(total))
        seen.append(shown)
    assert seen[0] != seen[1] and expected and set().union(*expected) == set(range(len(SIZES)))
    firsts = np.cumsum((0, *SIZES))
    for lane in range(lanes):  # five records in a row are of the shards of one window, which are few
        shards = [int(np.searchsorted(firsts, order.record(lane, visit), "right")) for visit in range(5)]
        assert len({*shards}) <= 4


def test_hosts_read_shards_of_their_own_but_for_those_on_their_borders() -> None:
    sizes, batch, lanes = [20] * 40, 16, 4
    order = Windows(sizes, lanes, 40, 0, "shards", lambda shards: None)
    mixture = Lanes(
        {"shards": range(800), "local": range(50)},
        {"shards": 3.0, "local": 1.0},
        0,
        {},
        {"shards": order},
        batch_size=batch,
        lanes=lanes,
    )
    read: list[set[int]] = [set() for _ in range(4)]
    seen: Counter[Any] = Counter()
    for index in range(800 * 4 // 3 // batch * batch):
        address = mixture.address(index)
        seen[address] += 1
        if address.source == "shards":
            read[index % batch // 4].add(address.record // 20)
    assert sum(map(len, read)) <= 40 + 3 and max(map(len, read)) <= 11
    assert max(count for address, count in seen.items() if address.source == "shards") == 1
    assert {count for address, count in seen.items() if address.source == "local"} <= {5, 6}
    bad = next(one for one in map(mixture.address, range(batch)) if one.source == "shards")
    assert mixture.another(bad, np.random.default_rng(0)).record // 20 == bad.record // 20
    assert [lanes_of(size, 0) for size in (48, 4096, 7)] == [48, 64, 7]
    with pytest.raises(ValueError, match=r"data\.lanes=5 does not divide batch_size=48"):
        lanes_of(48, 5)


def tar_of(number: int, records: int, image: bytes) -> bytes:
    data = BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for record in range(records):
            for suffix, content in (("jpg", image), ("txt", f"caption {number} {record}".encode())):
                info = tarfile.TarInfo(f"{number}-{record}.{suffix}")
                info.size = len(content)
                tar.addfile(info, BytesIO(content))
    return data.getvalue()


def filled(address: str, shards: int, records: int, image: bytes) -> tuple[Bucket, dict[str, Any]]:
    """A bucket of tar shards, and the source that they are."""
    bucket = Bucket(address)
    for number in range(shards):
        bucket.write(f"{number:02d}.tar", tar_of(number, records, image))
    return bucket, {"format": "webdataset", "path": bucket.address, "columns": {}}


def texts(source: Any) -> list[str]:
    return [source[index].captions[0].text for index in range(len(source))]


def test_tar_shards_come_by_a_cache_that_holds_few_of_them(
    google: Door, encode: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLP_DATA_CACHE", str(tmp_path))
    image = encode(np.zeros((8, 8, 3), np.uint8), "JPEG")
    bucket, entry = filled("gs://bucket/tar shards", 12, 4, image)
    size = bucket.version("00.tar").size
    source: Any = open_source(entry, 10 * size / 1e9)
    source._most = 2
    expected = [f"caption {number} {record}" for number in range(12) for record in range(4)]
    assert texts(source) == expected and source[5].id == "01/1-1"
    used = lambda: sum(size for _, size, _ in source._cache._used())  # noqa: E731
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        order = np.random.default_rng(0).permutation(48).tolist()
        for index, record in zip(order, pool.map(source.__getitem__, order), strict=True):
            assert record.captions[0].text == expected[index] and used() <= 10 * size
    copy = pickle.loads(pickle.dumps(source))
    assert copy[47].captions[0].text == expected[47] and copy.digest() == source.digest()
    # What was counted is kept beside the data, and nothing is read to open it again.
    google.requests.clear()
    again: Any = open_source(entry, 1.0)
    assert len(again) == 48 and not [
        path for method, path in google.requests if method == "GET" and ".tar" in path
    ]
    assert len(json.loads(bucket.read(INDEX))) == 12
    # Shards are fetched ahead, by several requests at once; what comes then asks nobody.
    again.expect({3, 4})
    deadline = time.monotonic() + 60
    while again._coming and time.monotonic() < deadline:
        time.sleep(0.02)
    google.requests.clear()
    monkeypatch.setenv("VLP_DATA_CACHE", str(tmp_path / "another host"))
    late: Any = open_source(entry, 1.0)
    google.requests.clear()
    assert again[12].captions[0].text == expected[12] and not google.requests
    bucket.write("11.tar", tar_of(11, 4, image)[:-1024])
    with pytest.raises(ValueError, match=r"11\.tar has changed since its shards were counted"):
        late[47]
    monkeypatch.setattr(cache, "_PATIENCE", 0.0)
    small = ShardCache(1, tmp_path / "small").holding(source.bucket, source.shards[1])
    with pytest.raises(ValueError, match=r"data\.cache_gb=1e-09 has no room for 01\.tar"), small:
        pass


def texts_at(source: Any, order: list[int]) -> list[str]:
    return [source[index].captions[0].text for index in order]


@pytest.mark.slow
def test_several_processes_share_a_cache_that_never_holds_more_than_it_may(
    google: Door, encode: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLP_DATA_CACHE", str(tmp_path))
    bucket, entry = filled("gs://bucket/shared", 24, 2, encode(np.zeros((8, 8, 3), np.uint8), "JPEG"))
    limit = 8 * bucket.version("00.tar").size
    source: Any = open_source(entry, limit / 1e9)
    source._most = 1  # what each keeps open besides
    orders = [np.random.default_rng(seed).permutation(48).tolist() for seed in range(3)]
    disk = Disk(tmp_path / "shards")
    with concurrent.futures.ProcessPoolExecutor(3, multiprocessing.get_context("spawn")) as pool:
        for order, found in zip(orders, pool.map(texts_at, [source] * 3, orders), strict=True):
            assert found == [f"caption {index // 2} {index % 2}" for index in order]
    assert limit / 2 < disk.stop() <= limit


def test_only_what_is_wrong_with_a_shard_leaves_it_out_and_not_for_good(
    google: Door, encode: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLP_DATA_CACHE", str(tmp_path))
    bucket, image = Bucket("gs://bucket/damaged"), encode(np.zeros((8, 8, 3), np.uint8), "JPEG")
    for number in range(2):
        bucket.write(f"{number}.tar", tar_of(number, 3, image))
    bucket.write("2.tar", b"no archive" * 200)
    entry: dict[str, Any] = {"format": "webdataset", "path": bucket.address, "columns": {}}
    with pytest.raises(ValueError, match="has no room for"):
        open_source(entry, 1e-9)
    with pytest.raises(ValueError, match=r"has no 'wrong' for captions"):
        open_source({**entry, "columns": {"captions": "wrong"}}, 1.0)
    assert len(open_source(entry, 1.0)) == 6
    known = json.loads(bucket.read(INDEX))
    assert sorted(known) == ["0.tar", "1.tar"]
    # As an older version kept it.
    bucket.write(INDEX, json.dumps({**known, "1.tar": [*known["1.tar"][:2], 0]}).encode())
    assert len(open_source(entry, 1.0)) == 6
    for name, content in (("0", b""), ("1", b"no table" * 99), ("2", b"x" * 99 + b"\5\0\0\0PAR1")):
        Bucket("gs://bucket/no tables").write(f"{name}.parquet", content)
    with pytest.raises(ValueError, match="none of its 3 shards can be read"):
        open_source({"format": "parquet", "path": "gs://bucket/no tables", "columns": {}}, 1.0)


def test_parquet_is_counted_by_its_footers_and_array_records_by_reading_them(
    google: Door, write_parquet: Any, encode: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from array_record.python.array_record_module import ArrayRecordWriter

    monkeypatch.setenv("VLP_DATA_CACHE", str(tmp_path / "cache"))
    image = encode(np.zeros((8, 8, 3), np.uint8), "JPEG")
    records = [Record(str(number), image, (Caption(f"a {number}"),)) for number in range(6)]
    for number in range(2):
        writer = ArrayRecordWriter(str(tmp_path / f"{number}.array_record"), "group_size:1")
        for record in records[3 * number : 3 * number + 3]:
            writer.write(encode_record(record))
        writer.close()
        Bucket("gs://bucket/records").write(f"{number}.array_record", tmp_path / f"{number}.array_record")
    source = open_source({"format": "array_record", "path": "gs://bucket/records", "columns": {}}, 1.0)
    assert texts(source) == [f"a {number}" for number in range(6)]
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"image": [image] * 6, "caption": [f"p {number}" for number in range(6)]})
    pq.write_table(table, tmp_path / "one.parquet")
    Bucket("gs://bucket/tables").write("one.parquet", tmp_path / "one.parquet")
    google.requests.clear()
    monkeypatch.setattr(buckets, "STRETCH", 1 << 10)
    parquet: Any = open_source({"format": "", "path": "gs://bucket/tables/*.parquet", "columns": {}}, 1.0)
    assert [one.records for one in parquet.shards] == [6] and len(google.requests) < 8
    assert texts(parquet) == [f"p {number}" for number in range(6)]
    with pytest.raises(ValueError, match=r"no object whose name ends with \.tar"):
        open_source({"format": "webdataset", "path": "gs://bucket/tables", "columns": {}}, 1.0)
    with pytest.raises(ValueError, match="format 'csv' is not streamed"):
        open_source({"format": "csv", "path": "gs://bucket/tables", "columns": {}}, 1.0)


def test_a_stream_is_the_same_on_any_number_of_hosts_and_goes_on_where_it_was(
    google: Door, encode: Any, tokenizer: Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from configs import quickstart
    from input_pipeline.stream import make_stream

    monkeypatch.setenv("VLP_DATA_CACHE", str(tmp_path))
    image = encode(np.zeros((8, 8, 3), np.uint8), "JPEG")
    for number in range(8):
        Bucket("gs://bucket/stream").write(f"{number}.tar", tar_of(number, 5, image))
    entry = {"format": "webdataset", "path": "gs://bucket/stream", "weight": 1.0, "columns": {}}
    data = quickstart.get_config().data.to_dict() | {
        "sources": {"shards": entry},
        "cache_gb": 1.0,
        "window": 8,
    }

    def made(**more: Any) -> Any:
        return make_stream(
            {**data, **more},
            preprocessing={"resolution": 8, "resize": "squash"},
            tokenizer=tokenizer,
            batch_size=8,
            seed=3,
            fields=("text", "text_mask"),
        )

    whole = [made().host_batches()(number) for number in range(6)]
    halves = [made().host_batches(2, host, 2)(number) for host in range(2) for number in (0, 3)]
    for number, place in ((2, 0), (5, 1)):
        joined = np.concatenate([halves[place]["text"], halves[2 + place]["text"]])
        np.testing.assert_array_equal(joined, whole[number]["text"])
    with pytest.raises(ValueError, match="source 'shards' is streamed, and used whole"):
        made(sources={"shards": {**entry, "fraction": 0.5}})
    with pytest.raises(ValueError, match="single_source_batches"):
        made(single_source_batches=True)
