"""Records with some of their fields: what is not asked for is not there, and where a format allows it, not read."""

from __future__ import annotations

import dataclasses
import io
import json
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from input_pipeline.records import FIELDS, BadRecord, Caption, Record
from input_pipeline.sources import open_source, parquet
from input_pipeline.sources.reading import in_order

ROW = {
    "id": "r0",
    "captions": ["a dog"],
    "caption_kinds": ["title"],
    "tags": ["animal"],
    "category": "dog",
    "x": 3,
}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """One record in each of three formats."""
    found = {
        "parquet": tmp_path / "r.parquet",
        "jsonl": tmp_path / "r.jsonl",
        "webdataset": tmp_path / "r.tar",
    }
    pq.write_table(pa.Table.from_pylist([{**ROW, "image": b"pixels"}]), found["parquet"])
    (tmp_path / "r.jpg").write_bytes(b"pixels")
    found["jsonl"].write_text(json.dumps({**ROW, "image": "r.jpg"}))
    with tarfile.open(found["webdataset"], "w") as tar:
        for name, content in (("r0.jpg", b"pixels"), ("r0.json", json.dumps(ROW).encode())):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return found


@pytest.mark.parametrize("form", ["parquet", "jsonl", "webdataset"])
def test_a_field_is_there_if_it_is_asked_for(files: dict[str, Path], form: str) -> None:
    source = open_source({"path": str(files[form]), "columns": {"extras": "x"}})
    whole = source[0]
    assert whole.image == b"pixels" and whole.extras == {"x": 3}
    assert whole.captions == (Caption("a dog", "title", "en"),)
    for field in FIELDS:
        some = Record(whole.id, None)
        assert in_order(source, (field,))[0] == dataclasses.replace(some, **{field: getattr(whole, field)})
    assert in_order(source)[0] == whole == source[0]
    assert in_order(source, ())[0] == Record(whole.id, None)


def test_a_column_that_nobody_asks_for_is_not_read(
    files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []

    def noting(file, group, names, rows):
        read.append(names)
        return read_row_group(file, group, names, rows)

    read_row_group = parquet.read_row_group
    monkeypatch.setattr(parquet, "read_row_group", noting)
    source = open_source({"path": str(files["parquet"])})
    source[0]
    texts = in_order(source, ("captions",))
    assert texts[0].captions and texts[0].image is None
    assert [{*names} for names in read] == [
        {"id", "image", "captions", "caption_kinds", "tags", "category"},
        {"id", "captions", "caption_kinds"},
    ]


def test_an_image_file_that_is_not_there_is_missed_by_who_wants_it(files: dict[str, Path]) -> None:
    source = open_source({"path": str(files["jsonl"])})
    (files["jsonl"].parent / "r.jpg").unlink()
    with pytest.raises(BadRecord):
        source[0]
    assert in_order(source, ("captions",))[0].captions


def test_captions_by_id_stand_before_those_of_some_fields(files: dict[str, Path], tmp_path: Path) -> None:
    written = tmp_path / "texts.jsonl"
    written.write_text(json.dumps({"id": "r0", "texts": ["a spaniel"], "kind": "fused"}))
    source = open_source({"path": str(files["parquet"]), "captions_by_id": str(written)})
    texts = in_order(source, ("captions",))[0]
    assert [caption.text for caption in texts.captions] == ["a spaniel", "a dog"] and texts.image is None
