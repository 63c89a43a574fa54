"""Parquet files as today's writers leave them: what their columns hold reaches the record, or an error says why not."""

from __future__ import annotations

import json
import os
import re
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from input_pipeline.records import BadRecord, Reason, Record
from input_pipeline.sources import open_source, parquet_size
from input_pipeline.sources.parquet import ParquetSource
from input_pipeline.sources.parquet_schema import class_name

PIXELS = [b"one", b"two"]
PAIR = {"image": PIXELS, "caption": ["a", "b"]}
CLASSES = {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}


def read(folder: Path, columns: dict[str, str] | None = None, **of_entry: Any) -> list[Record]:
    source = open_source({"format": "parquet", "path": str(folder), "columns": columns or {}, **of_entry})
    return [source[index] for index in range(len(source))]


def texts(records: list[Record]) -> list[list[str]]:
    return [[caption.text for caption in record.captions] for record in records]


# Of each table: what its columns are, which columns a config names, and the captions of its records.
CAPTIONS: dict[str, tuple[Callable[[], dict[str, Any]], dict[str, str], list[list[str]]]] = {
    "views of strings": (
        lambda: {"image": pa.array(PIXELS, pa.binary_view()), "text": pa.array(["a", "b"], pa.string_view())},
        {},
        [["a"], ["b"]],
    ),
    "lists of dictionaries": (
        lambda: {
            "image": PIXELS,
            "captions": pa.ListArray.from_arrays([0, 1, 2], pa.array(["a", "b"]).dictionary_encode()),
        },
        {},
        [["a"], ["b"]],
    ),
    "lists of one size": (
        lambda: {"image": PIXELS, "captions": pa.array([["a", "b"], ["c", "d"]], pa.list_(pa.string(), 2))},
        {},
        [["a", "b"], ["c", "d"]],
    ),
    "texts inside a list of groups": (
        lambda: {"image": PIXELS, "sentences": pa.array([[{"raw": "a"}, {"raw": "b"}], [{"raw": "c"}]])},
        {"captions": "sentences/raw"},
        [["a", "b"], ["c"]],
    ),
    "a second column where the first is null or blank": (
        lambda: {"image": PIXELS, "caption": ["x", " "], "text": ["t0", "t1"]},
        {},
        [["x"], ["t1"]],
    ),
    "translations as a group of languages": (
        lambda: {**PAIR, "langs": pa.array([{"de": "A"}, {"de": None}])},
        {},
        [["a", "A"], ["b"]],
    ),
    "a default name of another type is left alone": (
        lambda: {**PAIR, "category": pa.array([["u"], []]), "tags": [1, 2], "source": [["x"], ["y"]]},
        {},
        [["a"], ["b"]],
    ),
    "a caption of another type gives way to the next": (
        lambda: {"image": PIXELS, "caption": [1, 2], "text": ["a", "b"]},
        {},
        [["a"], ["b"]],
    ),
}


@pytest.mark.parametrize("kind", CAPTIONS)
def test_captions_of_every_type_are_read(tmp_path: Path, kind: str) -> None:
    columns, named, expected = CAPTIONS[kind]
    pq.write_table(pa.table(columns()), tmp_path / "a.parquet")
    records = read(tmp_path, named)
    assert texts(records) == expected and [record.image for record in records] == PIXELS


def test_tags_are_a_list_or_one_text_and_enough_to_read_a_file(tmp_path: Path) -> None:
    for tags in (["x, y", "z"], [["x", "y"], ["z"]]):
        pq.write_table(pa.table({"image": PIXELS, "tags": tags}), tmp_path / "a.parquet")
        assert [record.tags for record in read(tmp_path)] == [("x", "y"), ("z",)]


@pytest.mark.parametrize("numbers", [[0, -1, 1], [0.0, None, 1.0]])
def test_numbered_labels_are_named_and_no_class_is_no_label(tmp_path: Path, numbers: list[Any]) -> None:
    table = pa.table({"image": [b"x"] * 3, "label": numbers})
    note = {"huggingface": json.dumps({"info": {"features": CLASSES}})}
    pq.write_table(table.replace_schema_metadata(note), tmp_path / "a.parquet")
    assert [record.label for record in read(tmp_path)] == ["cat", "", "dog"]


def test_a_class_beyond_the_names_is_a_bad_record(tmp_path: Path) -> None:
    table = pa.table({"image": [b"x"] * 3, "label": [1, 5, 0]})
    note = {"huggingface": json.dumps({"info": {"features": CLASSES}})}
    pq.write_table(table.replace_schema_metadata(note), tmp_path / "a.parquet")
    source = open_source({"format": "parquet", "path": str(tmp_path), "columns": {}})
    assert [source[at].label for at in (0, 2)] == ["dog", "cat"]
    with pytest.raises(BadRecord, match="class 5 has no name: the file names 2, from 0"):
        source[1]


def test_ids_and_labels_are_what_stands_there(tmp_path: Path) -> None:
    ids, labels = ["000000000139", "1e3"], pa.array([3.0, None])  # a number with gaps is a float
    pq.write_table(pa.table({"id": ids, "label": labels, **PAIR}), tmp_path / "a.parquet")
    assert [(r.id, r.label) for r in read(tmp_path)] == [("000000000139", "3"), ("1e3", "")]


def test_an_image_without_bytes_is_read_from_its_path(tmp_path: Path) -> None:
    data, images = tmp_path / "data", tmp_path / "images"
    for folder in (data, images):
        folder.mkdir()
        (folder / "1.jpg").write_bytes(folder.name.encode())
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    paths = ["1.jpg", str(images / "1.jpg")]
    column = pa.array([{"bytes": b"x", "path": "gone"}, *({"bytes": None, "path": p} for p in paths)], kind)
    pq.write_table(pa.table({"image": column, "caption": ["a", "b", "c"]}), data / "a.parquet")
    source = open_source({"format": "parquet", "path": str(data)})
    assert [source[0].image, source[1].image] == [b"x", b"data"]
    with pytest.raises(BadRecord, match=f"image_folder, such as '{images}'"):
        source[2]
    elsewhere = {"format": "parquet", "path": str(data), "image_folder": str(images)}
    assert [open_source(elsewhere)[number].image for number in (1, 2)] == [b"images"] * 2


def test_a_broken_file_among_others_is_one_bad_record(tmp_path: Path) -> None:
    for number in range(4):
        pq.write_table(pa.table({"id": [f"{number}a", f"{number}b"], **PAIR}), tmp_path / f"{number}.parquet")
    broken = tmp_path / "2.parquet"
    broken.write_bytes(broken.read_bytes()[:100])
    source = ParquetSource(str(tmp_path))
    assert len(source) == 7 and list(source.ids()) == ["0a", "0b", "1a", "1b", "", "3a", "3b"]
    assert [source[index].id for index in (3, 5, 6)] == ["1b", "3a", "3b"]
    with pytest.raises(BadRecord, match=r"2\.parquet is not a readable parquet file"):
        source[4]
    for file in tmp_path.iterdir():
        file.write_bytes(b"PAR1")
    with pytest.raises(ValueError, match=r"0\.parquet is not a readable"):
        ParquetSource(str(tmp_path))


def test_a_column_that_is_named_must_fit(tmp_path: Path) -> None:
    table = pa.table([pa.array(PIXELS), pa.array(["a", "b"]), pa.array([1, 2])], names=["image", "c", "c"])
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=r"a\.parquet has 2 columns 'c': give each a name of its own"):
        read(tmp_path, {"captions": "c"})
    pq.write_table(pa.table({**PAIR, "n": [1, 2]}), tmp_path / "a.parquet")
    with pytest.raises(ValueError, match="column 'n' for captions holds int64, not a string or a list"):
        read(tmp_path, {"captions": "n"})
    with pytest.raises(ValueError, match="holds string, not encoded bytes; paths of image files go in"):
        read(tmp_path, {"image": "caption"})


@pytest.mark.parametrize("change", ["other rows", "smaller row groups", "other columns", "gone"])
def test_a_file_that_changes_under_a_run_is_refused(tmp_path: Path, change: str) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(
        pa.table({"id": [f"a{i}" for i in range(8)], "image": [b"x"] * 8, "text": ["t"] * 8}), path
    )
    source = ParquetSource(str(path), cache_bytes=1)
    size, name = (2, "text") if change == "smaller row groups" else (8, "text")
    name = "other" if change == "other columns" else name
    time.sleep(0.02)
    pq.write_table(
        pa.table({"id": [f"b{i}" for i in range(8)], "image": [b"x"] * 8, name: ["t"] * 8}), path, size
    )
    if change == "gone":
        path.unlink()
    with pytest.raises(BadRecord, match="No such file" if change == "gone" else "has changed since") as bad:
        source[5]
    assert bad.value.reason is Reason.UNREADABLE


def bomb(path: Path, **columns: Any) -> ParquetSource:
    pq.write_table(pa.table({"caption": ["c"] * len(columns["image"]), **columns}), path, compression="zstd")
    return ParquetSource(str(path))


def test_bombs_are_refused_without_being_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_size, "_ROOM", 1 << 22)
    one = bomb(tmp_path / "one.parquet", image=pa.array([bytes(50_000_000)], pa.binary()))
    repeated = pa.array([0] * 4000)
    several = bomb(
        tmp_path / "many.parquet", image=pa.DictionaryArray.from_arrays(repeated, pa.array([bytes(50_000)]))
    )
    listed = bomb(
        tmp_path / "listed.parquet",
        image=[b"x"],
        captions=pa.array([["c" * 1000] * 100_000], pa.list_(pa.string())),
    )
    tracemalloc.start()
    for source in (one, several, listed):
        with pytest.raises(BadRecord, match="far more than it takes in the file") as bad:
            source[0]
        assert bad.value.reason is Reason.TOO_LARGE
    assert tracemalloc.get_traced_memory()[1] < 1 << 22
    tracemalloc.stop()


def test_a_large_row_group_of_incompressible_or_equal_images_is_read(tmp_path: Path) -> None:
    images = [os.urandom(300_000) for _ in range(300)]
    plain = bomb(tmp_path / "plain.parquet", image=images)
    five = bomb(tmp_path / "five.parquet", image=[images[i // 5] for i in range(300)])
    assert plain[299].image == images[299] and five[299].image == images[59]


def test_the_error_of_a_missing_column_lists_what_is_there(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image": PIXELS, "TEXT": ["a", "b"]}), tmp_path / "a.parquet")
    wanted = re.escape("no column 'captions' for captions; it has image, TEXT")
    with pytest.raises(ValueError, match=wanted):
        read(tmp_path)


def test_row_groups_are_kept_while_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"image": [b"x"] * 6, "caption": ["t"] * 6}), path, 2)
    reads: list[int] = []
    read = parquet_size.read_row_group

    def counted(file: Any, group: int, *rest: Any) -> Any:
        reads.append(group)
        return read(file, group, *rest)

    monkeypatch.setattr("input_pipeline.sources.parquet.read_row_group", counted)
    for room, expected in ((1, [0, 1, 0, 2]), (1 << 20, [0, 1, 2])):
        reads.clear()
        source = ParquetSource(str(path), cache_bytes=room)
        for index in (0, 1, 2, 3, 0, 1, 5):
            assert source[index].image == b"x"
        assert reads == expected


@pytest.mark.parametrize(
    ("number", "name"), [(0, "cat"), (1.0, "dog"), (-1, None), (True, True), ("dog", "dog"), (None, None)]
)
def test_numbers_of_classes_are_their_names(number: Any, name: Any) -> None:
    assert class_name(number, ["cat", "dog"]) == name


@pytest.mark.parametrize("number", [2, 0.5, 7.0])
def test_a_number_without_a_name_is_a_bad_record(number: float) -> None:
    bad = class_name(number, ["cat", "dog"])
    assert isinstance(bad, BadRecord) and f"class {number} has no name: the file names 2" in str(bad)
