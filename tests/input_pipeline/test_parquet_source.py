"""Random access to parquet rows, and files that are not what the config says."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from input_pipeline.records import BadRecord, Reason
from input_pipeline.sources import Source, open_source
from input_pipeline.sources.parquet import ParquetSource
from input_pipeline.subsets import chosen_records

Writer = Callable[..., Path]


def test_a_record_is_its_row(quickstart: Path) -> None:
    source = open_source({"format": "parquet", "path": str(quickstart / "train.parquet"), "weight": 1.0})
    assert isinstance(source, Source) and len(source) == 3227
    rows = pq.read_table(quickstart / "train.parquet").to_pylist()
    for index in (0, 999, 1000, 3226):
        record, row = source[index], rows[index]
        assert (record.id, record.image, record.label) == (row["id"], row["image"], row["category"])
        assert (record.group, record.source, record.tags) == (
            row["concept"],
            row["source"],
            tuple(row["tags"]),
        )
        english = [caption for caption in record.captions if caption.language == "en"]
        assert [c.text for c in english] == [" ".join(text.split()) for text in row["captions"]]
        assert [c.kind for c in english] == row["caption_kinds"]
        assert {c.language for c in record.captions} == {"en", *(code for code, _ in row["langs"])}
    with pytest.raises(IndexError):
        source[3227]


def test_any_order_any_thread_any_copy_and_a_tiny_cache_give_the_same(write_parquet: Writer) -> None:
    path = write_parquet(30)
    expected = [ParquetSource(str(path))[index].id for index in range(30)]
    assert expected == [f"data/{index}" for index in range(30)]
    tiny = pickle.loads(pickle.dumps(ParquetSource(str(path), cache_bytes=1)))
    order = [(index * 7) % 30 for index in range(300)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda index: tiny[index].id, order)) == [expected[index] for index in order]


def test_a_folder_or_a_pattern_is_its_files_by_name(write_parquet: Writer) -> None:
    folder = write_parquet(5, "b").parent
    write_parquet(3, "a")
    for path in (str(folder), str(folder / "*.parquet")):
        source = ParquetSource(path)
        assert [source[index].id for index in range(8)] == [f"a/{i}" for i in range(3)] + [
            f"b/{i}" for i in range(5)
        ]


def test_relative_paths_are_found_here_then_in_the_project(
    write_parquet: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_parquet(3, "here")
    monkeypatch.chdir(tmp_path)
    assert len(ParquetSource("here.parquet")) == 3
    assert len(ParquetSource("data/quickstart/val.parquet")) == 201
    with pytest.raises(ValueError, match=r"at nowhere\.parquet \(looked in "):
        ParquetSource("nowhere.parquet")


def write(path: Path, **columns: object) -> str:
    pq.write_table(pa.table(columns), path)
    return str(path)


def test_captions_may_be_one_string_and_columns_have_any_name(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", picture=[b"x"], text=["a cat"])
    source = ParquetSource(path, {"image": "picture", "captions": "text", "language": "de"})
    record = source[0]
    assert [(c.text, c.language) for c in record.captions] == [("a cat", "de")]
    assert (record.id, record.image, record.label, record.tags) == ("0", b"x", "", ())
    unlabelled = ParquetSource(path, {"image": "picture", "captions": ""})
    assert unlabelled[0].captions == ()


def test_images_may_lie_beside_but_not_outside(tmp_path: Path, encode: Callable[..., bytes]) -> None:
    (tmp_path / "data").mkdir()
    for folder in (tmp_path, tmp_path / "data"):
        (folder / "a.png").write_bytes(b"pixels")
    files = ["a.png", "../a.png", str(tmp_path / "a.png"), "b.png"]
    path = write(tmp_path / "data" / "x.parquet", file=files, captions=["a"] * 4)
    source = ParquetSource(path, {"image_path": "file"})
    assert source[0].image == b"pixels"
    for index in (1, 2, 3):
        with pytest.raises(BadRecord) as bad:
            source[index]
        assert bad.value.reason is Reason.MISSING_IMAGE


def test_the_error_names_the_file_the_wanted_and_the_present_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", picture=[b"x"], captions=[["a"]])
    with pytest.raises(
        ValueError, match=r"a\.parquet has no column 'image' for image; it has picture, captions"
    ):
        ParquetSource(path)
    with pytest.raises(ValueError, match="'labels' for label"):
        ParquetSource(path, {"image": "picture", "label": "labels"})
    with pytest.raises(ValueError, match="'imagee' is not one of id, image"):
        ParquetSource(path, {"imagee": "picture"})
    with pytest.raises(ValueError, match="'tfrecord' is not one of"):
        open_source({"format": "tfrecord", "path": path})


def test_the_layout_of_hugging_face_is_read_by_default(tmp_path: Path, encode: Callable[..., bytes]) -> None:
    features = {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}
    images = [{"bytes": b"x", "path": None}] * 3
    table = pa.table({"image": images, "label": [1, 0, -1]})
    note = {"huggingface": json.dumps({"info": {"features": features}})}
    pq.write_table(table.replace_schema_metadata(note), tmp_path / "labels.parquet")
    source = ParquetSource(str(tmp_path / "labels.parquet"))
    assert [record.label for record in map(source.__getitem__, range(3))] == ["dog", "cat", ""]
    path = write(tmp_path / "texts.parquet", image=images, text=["a", "b", "c"])
    assert [ParquetSource(path)[place].captions[0].text for place in range(3)] == ["a", "b", "c"]
    with pytest.raises(ValueError, match="no column 'captions' for captions; it has image, TEXT"):
        ParquetSource(write(tmp_path / "other.parquet", image=images, TEXT=["a", "b", "c"]))


def test_ids_are_listed_without_the_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(
        pa.table({"id": ["a", "b", None], "image": [b"x"] * 3, "text": ["t"] * 3}), path, row_group_size=2
    )
    write(tmp_path / "b.parquet", image=[b"x"], text=["t"])
    source = ParquetSource(str(tmp_path / "*.parquet"))
    expected = [source[place].id for place in range(4)]
    monkeypatch.setattr(ParquetSource, "__getitem__", lambda self, index: pytest.fail("a record was read"))
    (tmp_path / "keep.txt").write_text("b\n3\n")
    assert list(source.ids()) == expected == ["a", "b", "2", "3"]
    assert list(chosen_records(source, "mine", keep_ids=str(tmp_path / "keep.txt"))) == [1, 3]
