"""What lies at a path, as people have it, is read for what it is; what is not read gets a line that helps."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from input_pipeline.sources import open_source
from input_pipeline.sources.guess import guess


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def img2dataset(folder: Path, shard: int = 0, suffix: str = ".tar") -> Path:
    """A folder as img2dataset leaves it: shards, their metadata and counts side by side."""
    folder.mkdir(exist_ok=True)
    with tarfile.open(folder / f"{shard:05d}{suffix}", "w") as archive:
        for number in range(2):
            key = f"{shard:05d}{number:04d}"
            for extension, data in (
                ("jpg", b"x"),
                ("txt", b"a"),
                ("json", json.dumps({"key": key}).encode()),
            ):
                info = tarfile.TarInfo(f"{key}.{extension}")
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    rows = [{"url": "http://x", "caption": "a", "key": f"{shard:05d}{number:04d}"} for number in range(2)]
    pq.write_table(pa.Table.from_pylist(rows), folder / f"{shard:05d}.parquet")
    (folder / f"{shard:05d}_stats.json").write_text("{}")
    return folder


def records(path: str | Path) -> list[tuple[str, bytes | None]]:
    source = open_source({"path": str(path)})
    return [(source[index].id, source[index].image) for index in range(len(source))]


def test_names_say_the_format() -> None:
    for name, expected in {
        "a.tar": "webdataset",
        "A.TAR": "webdataset",
        "b.tsv": "csv",
        "x.array_record-00000-of-00001": "array_record",
        "gs://x/{000..100}.parquet": "parquet",
        "https://h/a.tar?sig=a.b&c=/d": "webdataset",
        "https://h/{000..100}.Parquet?sig=a.b#f": "parquet",
    }.items():
        assert guess(name) == (expected, name)


@pytest.mark.parametrize("beside", ["a.parquet", "a.csv", "a.jsonl", "1.jpg", "a_stats.json", "a.tsv"])
def test_shards_win_over_what_lies_beside_them(tmp_path: Path, beside: str) -> None:
    (tmp_path / beside).touch()
    for name, form in (("b.tar", "webdataset"), ("c.ARRAY_RECORD", "array_record")):
        (tmp_path / name).touch()
        assert guess(str(tmp_path)).format == form


def test_a_folder_as_img2dataset_leaves_it_is_its_shards(tmp_path: Path) -> None:
    img2dataset(img2dataset(tmp_path / "cc"), 1)
    keys = ("00000/000000000", "00000/000000001", "00001/000010000", "00001/000010001")
    assert records(tmp_path / "cc") == [(key, b"x") for key in keys]
    (img2dataset(tmp_path / "up", suffix=".TAR") / "00000.parquet").unlink()
    assert [key for key, _ in records(tmp_path / "up")] == list(keys[:2])


def test_pictures_win_over_a_table_that_says_nothing_of_them(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "1.JPG").write_bytes(b"x")
    assert guess(str(tmp_path)).format == "folder"
    pq.write_table(pa.table({"url": ["x"]}), tmp_path / "00000.parquet")
    (tmp_path / "stray.csv").write_text("a,b\n1,2\n")
    (tmp_path / "list.jsonl").write_text('{"a": 1}\n')
    assert guess(str(tmp_path)).format == "folder"
    (tmp_path / "stray.csv").write_text("file_name,b\n1,2\n")
    assert guess(str(tmp_path)).format == "csv"
    (tmp_path / "metadata.jsonl").touch()
    assert guess(str(tmp_path)).format == "folder"


def test_linked_pictures_are_pictures(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "1.jpg").write_bytes(b"x")
    (tmp_path / "set").mkdir()
    os.symlink(tmp_path / "store", tmp_path / "set" / "dog")
    assert guess(str(tmp_path / "set")).format == "folder"


def pictures(path: Path, *texts: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"id": texts, "image": [b"x"] * len(texts), "text": texts}), path)


def test_a_repository_of_hugging_face_is_its_data_one_split_at_a_time(tmp_path: Path) -> None:
    (tmp_path / "README.md").touch()
    for split, number in (("train", 0), ("train", 1), ("validation", 0)):
        pictures(tmp_path / "data" / f"{split}-{number:05d}-of-00002.parquet", f"{split}{number}")
    several = r"data holds several splits, train \(2\) and validation \(1\): name one as .*data/train, or all"
    for path in (tmp_path, tmp_path / "data"):
        with pytest.raises(ValueError, match=several):
            guess(str(path))
    with pytest.raises(ValueError, match=several):
        open_source({"format": "parquet", "path": str(tmp_path / "data")})
    assert records(tmp_path / "data" / "train") == [("train0", b"x"), ("train1", b"x")]
    assert records(tmp_path / "data" / "val") == [("validation0", b"x")]
    assert len(records(tmp_path / "data" / "*.parquet")) == 3
    (tmp_path / "data" / "validation-00000-of-00002.parquet").unlink()
    assert len(records(tmp_path)) == 2


def test_folders_of_splits_are_no_classes(tmp_path: Path) -> None:
    for name in ("train2017/1.jpg", "val2017/2.jpg"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(ValueError, match=r"holds several splits, train \(1\) and validation \(1\)"):
        open_source({"format": "folder", "path": str(tmp_path)})
    assert records(tmp_path / "train2017") == [("1.jpg", b"x")]
    (tmp_path / "trains").mkdir()  # a class called like that beside others is one
    (tmp_path / "trains" / "3.jpg").write_bytes(b"x")
    assert len(records(tmp_path)) == 3


def test_what_others_keep_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "dataset_info.json").touch()
    with pytest.raises(ValueError, match="TFDS data set: name one of its splits"):
        guess(str(tmp_path))
    (tmp_path / "features.json").touch()
    assert guess(str(tmp_path / "train")) == ("tfds", str(tmp_path / "train"))
    for name in ("state.json", "data-00000-of-00001.arrow"):
        (tmp_path / name).touch()
    for place in (tmp_path, tmp_path / "data-00000-of-00001.arrow"):
        with pytest.raises(ValueError, match=r"save_to_disk.*to_parquet"):
            guess(str(place))
    with pytest.raises(ValueError, match="no folder at"):
        guess(str(tmp_path / "cat" / "nowhere"))
    (tmp_path / "a.doc").touch()
    with pytest.raises(ValueError, match=r"a\.doc holds no known data \(\.array_record, .*pictures\)"):
        guess(str(tmp_path / "a.doc"))


def test_addresses_get_a_line_that_helps(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"https://\*\*\*@h/a names no file of a known kind.*cannot be listed"
    ):
        guess("https://me:pw@h/a")
    with pytest.raises(ValueError, match=r"memory://nowhere cannot be fetched: FileNotFoundError"):
        guess("memory://nowhere")
    pictures(tmp_path / "train.parquet", "a")
    assert guess(f"file://{tmp_path}").format == "parquet"


def coco(root: Path, name: str = "val2017", image: str = "000000000139.jpg") -> Path:
    images = [{"id": 139, "file_name": image}, {"id": 285, "file_name": "gone.jpg"}]
    annotations = [
        {"image_id": 139, "id": 2, "caption": "a room\n"},
        {"image_id": 139, "id": 1, "caption": "a chair"},
    ]
    file = root / "annotations" / f"captions_{name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"info": {"year": 2017}, "images": images, "annotations": annotations}))
    return file


@pytest.mark.parametrize("below", ["val2017", "images", "images/val2017", "annotations", "."])
def test_coco_is_read_as_it_is_downloaded(tmp_path: Path, below: str) -> None:
    file = coco(tmp_path)
    (tmp_path / below).mkdir(parents=True, exist_ok=True)
    (tmp_path / below / "000000000139.jpg").write_bytes(b"x")
    for path in (file, file.parent, tmp_path):
        assert guess(str(path)).format == "coco"
        source = open_source({"path": str(path)})
        record = source[0]
        assert (record.id, record.image, len(source)) == ("000000000139.jpg", b"x", 2)
        assert [caption.text for caption in record.captions] == ["a room", "a chair"]


def test_coco_elsewhere_or_of_two_splits_is_asked_about(tmp_path: Path) -> None:
    file = coco(tmp_path / "coco")
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "000000000139.jpg").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"is in none of .*image_folder"):
        open_source({"path": str(file)})
    entry = {"path": str(file), "image_folder": str(tmp_path / "pictures")}
    assert open_source(entry)[0].image == b"x"
    coco(tmp_path / "coco", "train2017")
    with pytest.raises(ValueError, match=r"there is 2 of them: name one of .*train2017.*val2017"):
        open_source({"format": "coco", "path": str(tmp_path / "coco")})
    with pytest.raises(ValueError, match="leave 'captions' out"):
        open_source({**entry, "columns": {"captions": "x"}})
    file.write_text('{"images": [{"id": 1}], "annotations": []}')
    with pytest.raises(ValueError, match="none of COCO's caption files"):
        open_source(entry)


@pytest.mark.parametrize("name", ["run[1]", "a b", "x*y", "[x]?{1}", "ü", "a,b:c"])
def test_a_path_is_taken_as_it_stands(tmp_path: Path, write_parquet: Callable[..., Path], name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    write_parquet(1).rename(folder / "[a].parquet")
    for path in (
        folder,
        folder / "[a].parquet",
        folder / "*.parquet",
        folder / "?a].parquet",
        folder / "[[]a].parquet",
    ):
        assert [key for key, _ in records(path)] == ["data/0"]


def test_the_home_folder_is_known(
    tmp_path: Path, write_parquet: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(write_parquet(1).parent))
    assert (
        records("~/data.parquet")
        == records("~/*.parquet")
        == records("~/{0..0}".replace("{0..0}", "data.parquet"))
    )
    with pytest.raises(ValueError, match="~nobody"):
        records("~nobody_of_this_name/data.parquet")


def test_pipes_are_refused_and_do_not_hang(tmp_path: Path, write_parquet: Callable[..., Path]) -> None:
    for name in ("a.parquet", "a.tar", "a.jsonl", "a.csv", "a.array_record", "captions_x.json"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(ValueError, match="no regular file"):
            open_source({"format": guess(str(tmp_path / name)).format, "path": str(tmp_path / name)})
    with pytest.raises(ValueError, match="no regular file"):
        open_source({"format": "parquet", "path": "/dev/zero"})
    write_parquet(1)
    assert len(records(tmp_path / "*.parquet")) == 1
