"""Folders of images, csv, tsv, JSON lines and JSON: every layout gives the same records."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import pytest

from input_pipeline.records import BadRecord, Caption, Reason
from input_pipeline.sources import Source, open_source


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """set/images/{a,b}.jpg, whose bytes are their names."""
    folder = tmp_path / "set" / "images"
    folder.mkdir(parents=True)
    for name in ("a.jpg", "b.jpg"):
        (folder / name).write_bytes(name.encode())
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    return folder.parent


def opened(kind: str, path: Path, **columns: str) -> Source:
    return pickle.loads(pickle.dumps(open_source({"format": kind, "path": str(path), "columns": columns})))


ROWS = [
    {"file_name": "images/a.jpg", "caption": 'one "cat",\nsleeping', "tags": "pet, animal", "label": 0},
    {"file_name": "images/b.jpg", "caption": "zwei Hunde é", "tags": "", "label": 1},
]


def as_csv(separator: str) -> bytes:
    rows = [list(ROWS[0])] + [
        ['"{}"'.format(str(v).replace('"', '""')) for v in row.values()] for row in ROWS
    ]
    return "\r\n\r\n".join(separator.join(row) for row in rows).encode()


TABLES = {
    "a.jsonl": "\n\n".join(map(json.dumps, ROWS)).encode(),
    "b.jsonl": b"\xef\xbb\xbf"
    + "\r\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS).encode()
    + b"\n",
    "c.json": json.dumps(ROWS, indent=1, ensure_ascii=False).encode(),
    "d.csv": as_csv(","),
    "e.tsv": b"\xef\xbb\xbf" + as_csv("\t"),
}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("folder", ["", "annotations"])
def test_every_table_of_the_same_rows_gives_the_same_records(pictures: Path, name: str, folder: str) -> None:
    content = TABLES[name].replace(b"images/", b"../images/" if folder else b"images/")
    (pictures / folder).mkdir(exist_ok=True)
    (pictures / folder / name).write_bytes(content)
    source = opened("jsonl" if "json" in name else "csv", pictures / folder / name)
    for _ in ("first", "again"):
        assert [source[i].image for i in range(len(source))] == [b"a.jpg", b"b.jpg"]
    assert source[0].captions == (Caption('one "cat", sleeping', "", "en"),)
    assert source[1].captions == (Caption("zwei Hunde é", "", "en"),)
    assert (source[0].tags, source[0].label, source[1].tags, source[1].label) == (
        ("pet", "animal"),
        "0",
        (),
        "1",
    )
    with pytest.raises(IndexError):
        source[2]


def test_columns_name_keys_and_keys_inside_keys(pictures: Path) -> None:
    row = {
        "where": {"path": "images/a.jpg"},
        "sentences": [{"raw": "a"}, {"raw": "b"}],
        "imgid": 0,
        "who": ["x", "y"],
    }
    (pictures / "a.jsonl").write_text(json.dumps(row))
    columns = {"image_path": "where/path", "captions": "sentences/raw", "id": "imgid", "kinds": "who"}
    record = opened("jsonl", pictures / "a.jsonl", **columns)[0]
    assert record.image == b"a.jpg" and record.id == "0"
    assert [(caption.text, caption.kind) for caption in record.captions] == [("a", "x"), ("b", "y")]
    with pytest.raises(ValueError, match=r"a\.jsonl has no 'file' for image_path; it has where, sentences"):
        opened("jsonl", pictures / "a.jsonl", image_path="file")


def test_paths_out_of_the_data_are_bad_records(pictures: Path) -> None:
    os.symlink("../../secret.jpg", pictures / "images" / "link.jpg")
    os.mkfifo(pictures / "images" / "pipe.jpg")
    names = [
        "images/a.jpg",
        "../secret.jpg",
        "/etc/passwd",
        "images/link.jpg",
        "images/pipe.jpg",
        "images",
        "a\0b",
        "no",
    ]
    (pictures / "annotations").mkdir()
    rows = [json.dumps({"image": f"../{name}" if name[0] != "/" else name, "caption": "x"}) for name in names]
    (pictures / "annotations" / "a.jsonl").write_text("\n".join(rows))
    source = opened("jsonl", pictures / "annotations" / "a.jsonl")
    assert source[0].image == b"a.jpg"
    for index in range(1, len(names)):
        with pytest.raises(BadRecord) as bad:
            source[index]
        assert bad.value.reason is Reason.MISSING_IMAGE


def test_a_bad_row_names_its_line_and_costs_no_other(pictures: Path) -> None:
    good = json.dumps(ROWS[0])
    (pictures / "a.jsonl").write_text(f"{good}\n\n{good[:20]}\n[]\n{good}")
    source = opened("jsonl", pictures / "a.jsonl")
    assert len(source) == 4 and source[0].image == source[3].image == b"a.jpg"
    for index, line in ((1, 3), (2, 4)):
        with pytest.raises(BadRecord, match=rf"a\.jsonl, line {line}: "):
            source[index]
    (pictures / "a.csv").write_text(
        'file_name,caption\nimages/a.jpg,x\nimages/b.jpg,"' + "y" * (1 << 22) + "\n"
    )
    source = opened("csv", pictures / "a.csv")
    assert source[0].image == b"a.jpg"
    with pytest.raises(BadRecord, match=r"a\.csv, line 3: field larger"):
        source[1]


def test_class_folders_give_labels_and_side_files_captions(pictures: Path) -> None:
    for name, content in {
        "cats/old/1.JPG": "1", "cats/1.png": "2", "cats/1.txt": "a cat", "dogs/2.webp": "3",
        "dogs/2.json": '{"captions": ["a dog", "dog"], "label": "canis"}', "3.gif": "4", "4.txt": "no image",
        "5.gif": "5", "5.json": "{", ".hidden.png": "", "notes.md": "",
    }.items():  # fmt: skip
        (pictures / name).parent.mkdir(parents=True, exist_ok=True)
        (pictures / name).write_text(content)
    source = opened("folder", pictures)
    found = {}
    for index in range(len(source)):
        try:
            record = source[index]
            found[record.id] = (record.image, record.label, [caption.text for caption in record.captions])
        except BadRecord as bad:
            assert bad.reason is Reason.UNREADABLE and "5.json" in str(bad)
    assert found == {
        "3.gif": (b"4", "", []),
        "4.txt": (None, "", ["no image"]),
        "cats/1.png": (b"2", "cats", ["a cat"]),
        "cats/old/1.JPG": (b"1", "cats", []),
        "dogs/2.webp": (b"3", "canis", ["a dog", "dog"]),
        "images/a.jpg": (b"a.jpg", "images", []),
        "images/b.jpg": (b"b.jpg", "images", []),
    }


@pytest.mark.parametrize("name", ["metadata.jsonl", "captions.csv"])
def test_a_captions_file_makes_a_folder_a_table(pictures: Path, name: str) -> None:
    (pictures / name).write_bytes(TABLES["a.jsonl" if name.endswith("l") else "d.csv"])
    source = opened("folder", pictures)
    assert [source[i].image for i in range(len(source))] == [b"a.jpg", b"b.jpg"]
    assert source[1].captions[0].text == "zwei Hunde é"


def test_nothing_there_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.csv").touch()
    for kind, path, message in (
        ("folder", "empty", "empty has no images in it"),
        ("folder", "none", "no folder at "),
        ("csv", "a.csv", "a.csv is empty"),
        ("csv", "empty", r"\*\.csv or \*\.tsv files"),
    ):
        with pytest.raises(ValueError, match=message):
            opened(kind, tmp_path / path)
