"""Folders of images, csv, tsv, JSON lines and JSON: every layout gives the same records."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import pytest

from input_pipeline.records import BadRecord, Caption, Reason
from input_pipeline.sources import Source, open_source
from input_pipeline.sources.cache import cached_index
from input_pipeline.sources.columns import EXTRA, was_named


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
    with pytest.raises(
        ValueError, match=r"a\.jsonl has no 'file' for image_path; it has where/path, sentences/raw"
    ):
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
        'file_name,caption\nimages/a.jpg,x\nimages/b.jpg,"' + "y" * ((1 << 22) + 1) + "\n"
    )
    source = opened("csv", pictures / "a.csv")
    assert source[0].image == b"a.jpg"
    with pytest.raises(BadRecord, match=r"a\.csv, line 3: field larger"):
        source[1]


def test_captions_of_one_text_are_told_apart_by_a_separator(pictures: Path) -> None:
    (pictures / "images" / "a.txt").write_text("one\ntwo\n\n three ")
    apart, together = (opened("folder", pictures, **own)[0].captions for own in ({"separator": "\n"}, {}))
    assert [caption.text for caption in apart] == ["one", "two", "three"]
    assert [caption.text for caption in together] == ["one two three"]


def test_captions_that_are_no_texts_are_a_bad_record(pictures: Path) -> None:
    given = ("one", ["two"], [["three"], "four"], [{"text": "five"}], {"0": "six"})
    rows = [{"image": A, "captions": held} for held in given]
    (pictures / "held.jsonl").write_text("\n".join(map(json.dumps, rows)))
    source = opened("jsonl", pictures / "held.jsonl")
    assert [source[at].captions[0].text for at in (0, 1)] == ["one", "two"]
    for at, shown in ((2, r"\['three'\]"), (3, r"\{'text': 'five'\}"), (4, r"\{'0': 'six'\}")):
        with pytest.raises(BadRecord, match=f"a caption is {shown}, not a text"):
            source[at]


@pytest.mark.parametrize(
    ("texts", "left"),
    [
        (["\u200b", "a cat"], ["a cat"]),
        ([" \ufeff\u200d ", "\u00ad"], []),
        (["\u200bcat", "\U0001f468\u200d\U0001f373"], ["\u200bcat", "\U0001f468\u200d\U0001f373"]),
    ],
)
def test_a_caption_in_which_nothing_shows_is_none(pictures: Path, texts: list[str], left: list[str]) -> None:
    (pictures / "a.jsonl").write_text(json.dumps({"file_name": "images/a.jpg", "captions": texts}))
    assert [caption.text for caption in opened("jsonl", pictures / "a.jsonl")[0].captions] == left


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


def table(
    folder: Path, name: str, content: str | bytes, kind: str = "csv", **columns: str
) -> list[str | None]:
    """The captions of a table's rows, None for each that is bad."""
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    source = opened(kind, folder / name, **columns)
    found: list[str | None] = []
    for index in range(len(source)):
        try:
            record = source[index]
            assert record.image is not None
            found.append(record.captions[0].text if record.captions else "")
        except BadRecord:
            found.append(None)
    return found


A, B = "images/a.jpg", "images/b.jpg"


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("tabs.csv", f"filepath\ttitle\n{A}\tone, two\n{B}\tthree\n", ["one, two", "three"]),
        ("semicolons.csv", f"image;caption\n{A};one\n{B};two\n", ["one", "two"]),
        ("commas.tsv", f"image,caption\n{A},one\n{B},two\n", ["one", "two"]),
        ("blanks.csv", f'image, caption\n{A}, "one, a"\n{B}, two\n', ["one, a", "two"]),
        ("empty_first.csv", f"image,caption,text\n{A},,one\n{B}, ,two\n", ["one", "two"]),
        ("utf16.tsv", f"image\tcaption\n{A}\tça\n{B}\tb\u20ac\n".encode("utf-16"), ["ça", "b\u20ac"]),
        ("utf16.csv", f"image,caption\r\n{A},\U0001f600\r\n".encode("utf-16"), ["\U0001f600"]),
        ("big_endian.tsv", b"\xfe\xff" + f"image\tcaption\n{A}\t\u010a\u0a0d\n".encode("utf-16-be"), ["\u010a\u0a0d"]),
        ("windows.csv", f"image,caption\n{A},\xe9 \x93a\x94 \x85it\x92s\x81\n".encode("latin-1"), ["é “a” …it\u2019s"]),
        ("old_mac.csv", f'image,caption\r{A},one\r{B},"two"\r', ["one", "two"]),
        ("too_many.csv", f'image,caption,label\n{A},A dog, sitting,dog\n{B},"A cat, b",cat\n', [None, "A cat, b"]),
        ("too_few.csv", f"image,caption,label\n{A},one\n{B},two,cat\n", [None, "two"]),
        ("open_quote.tsv", f'image\tcaption\n{A}\t"open\n{B}\ttwo\n{B}\t"three"\n', ['"open', "two", "three"]),
        ("open_quote.csv", f'image,caption\n{A},"open\n{B},two\n{B},"three, 3"\n', [None, "two", "three, 3"]),
        ("two_open.csv", f'image,caption\n{A},"open\n{B},two\n{B},"three\n', [None, "two", None]),
        ("inches.tsv", f'image\tcaption\n{A}\t5" tv\n{B}\t7" tv\n', ['5" tv', '7" tv']),
        ("inner.csv", f'image,caption\n{A},a "big" dog\n{B},"a ""big"" cat"\n', ['a "big" dog', 'a "big" cat']),
        ("several_lines.csv", f'image,caption\n{A},"one\ntwo, 2"\n\n{B},three\n', ["one two, 2", "three"]),
        ("several_lines.tsv", f'image\tcaption\n{A}\t"one\ntwo"\n{B}\tthree\n', ["one two", "three"]),
        ("first_is_long.tsv", f'caption\timage\n"one\ntwo"\t{A}\nthree\t{B}\n', ["one two", "three"]),
    ],
)  # fmt: skip
def test_csv_as_people_write_it(pictures: Path, name: str, content: str | bytes, expected: list[str]) -> None:
    assert table(pictures, name, content) == expected


@pytest.mark.parametrize(
    ("field", "texts"),
    [
        ("""['a dog', "a dog's tail"]""", ["a dog", "a dog's tail"]),
        ("""["a dog", "\\u00e7a [1]"]""", ["a dog", "ça [1]"]),
        ("""["one" ,\n "two"]""", ["one", "two"]),
        ("""['a dog' 'a cat']""", ["['a dog' 'a cat']"]),
        ("""['a dog', 1]""", ["['a dog', 1]"]),
        ("""['dog'] on a mat""", ["['dog'] on a mat"]),
    ],
)
def test_a_list_of_texts_in_a_field_of_csv_is_a_list(pictures: Path, field: str, texts: list[str]) -> None:
    quoted = '"' + field.replace('"', '""') + '"'
    (pictures / "lists.csv").write_text(f"image,captions,tags\n{A},{quoted},{quoted}\n", encoding="utf-8")
    record = opened("csv", pictures / "lists.csv")[0]
    assert [caption.text for caption in record.captions] == texts
    if len(texts) > 1:
        assert list(record.tags) == texts


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("upper.JSON", '[{"image": "%s",\n"caption": "ça"}]'),
        ("lines.JSONL", '{"image": "%s", "caption": "ça"}\n\n'),
        ("group.jsonl", '{"image": {"bytes": null, "path": "%s"}, "caption": "ça"}'),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_json_as_people_write_it(pictures: Path, name: str, content: str, encoding: str) -> None:
    written = (content % A).encode(encoding)
    columns = {"image": "image"} if name.startswith("group") else {}
    assert table(pictures, name, written, "jsonl", **columns) == ["ça"]


def test_errors_name_the_keys_that_are_there(pictures: Path) -> None:
    row = json.dumps({"photo": {"file": A}, "sentences": [{"raw": "a", "tokens": ["a"]}]})
    with pytest.raises(
        ValueError, match=r"it has photo/file, sentences/raw, sentences/tokens\. Name the right one"
    ):
        table(pictures, "a.jsonl", row, "jsonl")
    with pytest.raises(
        ValueError,
        match=r"'sentences' for captions holds groups with raw, tokens.*'captions': 'sentences/raw'",
    ):
        table(pictures, "a.jsonl", row, "jsonl", image_path="photo/file", captions="sentences")
    with pytest.raises(ValueError, match="2 columns 'caption': give each a name of its own"):
        table(pictures, "b.csv", f"image,caption,caption\n{A},one,two\n")


def test_ids_and_labels_are_texts(pictures: Path) -> None:
    (pictures / "a.csv").write_text(f"id,image,label\n000000000139,{A},007\n1e3,{B},true\n")
    (pictures / "b.jsonl").write_text(
        "\n".join(json.dumps({"id": i, "image": A, "label": n}) for i, n in (("000139", "01"), (139, 7.0)))
    )
    found = [opened("csv", pictures / "a.csv")[i] for i in range(2)]
    assert [(r.id, r.label) for r in found] == [("000000000139", "007"), ("1e3", "true")]
    found = [opened("jsonl", pictures / "b.jsonl")[i] for i in range(2)]
    assert [(r.id, r.label) for r in found] == [("000139", "01"), ("139", "7")]


def test_images_elsewhere_are_read_where_the_source_says_so(pictures: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "lists" / "of" / "mine"
    elsewhere.mkdir(parents=True)
    rows = "".join(f"{name},x\n" for name in (pictures / A, A))
    (elsewhere / "a.csv").write_text(f"filepath,title\n{rows}")
    source = opened("csv", elsewhere / "a.csv")
    with pytest.raises(BadRecord, match=f"image_folder, such as '{pictures / 'images'}'"):
        source[0]
    entry = {"format": "csv", "path": str(elsewhere / "a.csv"), "image_folder": str(pictures)}
    assert [open_source(entry)[i].image for i in range(2)] == [b"a.jpg"] * 2
    with pytest.raises(
        ValueError, match="image_folder is of coco, coco_boxes, folder, parquet, csv, jsonl, not of format"
    ):
        open_source({**entry, "format": "webdataset"})
    with pytest.raises(ValueError, match="no folder at /nowhere"):
        open_source({**entry, "image_folder": "/nowhere"})


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_table_that_is_written_over_is_refused(pictures: Path, kind: str) -> None:
    path = pictures / f"a.{kind}"

    def write(letter: str) -> None:
        ids = [f"{letter}{i}" for i in range(20)]
        rows = [json.dumps({"id": name, "image": A}) for name in ids]
        path.write_text(
            "\n".join(rows if kind == "jsonl" else ["id,image", *(f"{name},{A}" for name in ids)])
        )

    write("a")
    source = open_source({"format": kind, "path": str(path)})
    assert source[3].id == "a3"
    write("b")
    os.utime(path, ns=(0, 0))
    with pytest.raises(BadRecord, match=rf"a\.{kind} has changed since it was opened: start again"):
        source[15]


def test_a_damaged_index_is_made_again(pictures: Path, tmp_path: Path) -> None:
    path = pictures / "a.jsonl"
    path.write_text("".join(json.dumps({"id": f"r{i}", "image": A}) + "\n" for i in range(3)))
    assert opened("jsonl", path)[2].id == "r2"
    (index,) = (tmp_path / "cache" / "vlp" / "index").iterdir()
    data = bytearray(index.read_bytes())
    data[4:12] = (7).to_bytes(8, "little")  # where the first row begins
    index.write_bytes(data)
    cached_index.cache_clear()
    assert [opened("jsonl", path)[i].id for i in range(3)] == ["r0", "r1", "r2"]


@pytest.mark.parametrize(
    ("field", "named", "was"),
    [
        ("id", {"extras"}, False),
        ("id", {"id"}, True),
        ("extras/a", {"extras"}, True),
        ("extras/a", {"id"}, False),
    ],
)
def test_extras_are_named_together(field: str, named: set[str], was: bool) -> None:
    assert was_named(field.replace("extras/", EXTRA), named) == was
