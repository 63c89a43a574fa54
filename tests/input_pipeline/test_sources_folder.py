"""Folders of images: class folders, files beside images, tables in a folder, and what is no class."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from test_sources_tables import TABLES, A, B, cache, opened, pictures

from input_pipeline.records import BadRecord, Reason
from input_pipeline.sources import open_source

__all__ = ["cache", "pictures"]


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


@pytest.mark.parametrize("name", ["train", "val2017", "images"])
def test_the_only_split_in_a_folder_is_no_class(pictures: Path, name: str) -> None:
    """Of `images`, which is no split, the name stays the label; a table belongs to the folder that it lies in."""
    (pictures / "images").rename(pictures / name)
    source = opened("folder", pictures)
    records = [source[at] for at in range(len(source))]
    inside = "images/" if name == "images" else ""
    assert [(record.id, record.label) for record in records] == [
        (f"{inside}{image}", inside.rstrip("/")) for image in ("a.jpg", "b.jpg")
    ]
    (pictures / name / "metadata.jsonl").write_text('{"file_name": "b.jpg", "text": "two"}')
    if name == "images":
        with pytest.raises(
            ValueError, match=r"images.metadata\.jsonl has one of those beside it: name .*images, or"
        ):
            opened("folder", pictures)
    else:
        assert opened("folder", pictures)[0].captions[0].text == "two"


def test_every_ending_of_a_picture_is_one_and_links_to_folders_are_counted(
    pictures: Path, tmp_path: Path
) -> None:
    names = ["c.jfif", "d.jpe", "e.AVIF", "f.ppm"]
    for name in names:
        (pictures / "images" / name).write_bytes(b"x")
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "z.jpg").write_bytes(b"z")
    os.symlink(tmp_path / "store", pictures / "linked")
    os.symlink(pictures, pictures / "images" / "circle")
    source = opened("folder", pictures)
    assert [source[i].id for i in range(6)] == [f"images/{name}" for name in ("a.jpg", "b.jpg", *names)]
    assert len(source) == 7 and list(source.ids())[6] == "linked/z.jpg"  # type: ignore[attr-defined]
    with pytest.raises(BadRecord, match=r"linked/z\.jpg lies outside .*image_folder, such as '.*store'"):
        source[6]
    entry = {"format": "folder", "path": str(pictures), "image_folder": str(tmp_path)}
    assert (open_source(entry)[6].image, open_source(entry)[6].label) == (b"z", "linked")


def test_a_parquet_table_of_a_folder_is_read(pictures: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"file_name": [A, B], "text": ["one", "two"]}), pictures / "metadata.parquet")
    source = opened("folder", pictures)
    assert [(source[i].image, source[i].captions[0].text) for i in range(2)] == [
        (b"a.jpg", "one"),
        (b"b.jpg", "two"),
    ]


def test_the_folders_of_an_image_may_be_its_label(pictures: Path) -> None:
    """As SUN397 has them: a letter, a category and, of some, a kind of it."""
    (pictures / "images").rename(pictures / "b")
    (pictures / "b" / "bakery" / "shop").mkdir(parents=True)
    (pictures / "b" / "bakery" / "shop" / "c.jpg").write_bytes(b"c")
    (pictures / "d.jpg").write_bytes(b"d")
    source = opened("folder", pictures, label="folders")
    assert [source[at].label for at in range(len(source))] == ["", "/b", "/b", "/b/bakery/shop"]
