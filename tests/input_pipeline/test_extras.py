"""Columns that nobody knows travel as extras, from every format to records and evaluation sets."""

from __future__ import annotations

import csv
import io
import json
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from array_record.python.array_record_module import ArrayRecordWriter

from input_pipeline.evaluation_set import load_evaluation_set
from input_pipeline.sources import open_source
from input_pipeline.sources.array_record import encode_record
from input_pipeline.sources.example_proto import encode_example

LICENCES = ["cc0", "", "by", "by"]
COLUMNS = {"extras": "licence, width"}


@pytest.fixture
def parquet(write_parquet: Callable[..., Path]) -> Path:
    path = write_parquet(4)
    table = pq.read_table(path).append_column("licence", pa.array(LICENCES))
    pq.write_table(table.append_column("width", pa.array([3, 4, 5, 6])), path)
    return path


def rows(path: Path) -> list[dict]:
    return pq.read_table(path).to_pylist()


def as_parquet(path: Path, folder: Path) -> Path:
    return path


def as_jsonl(path: Path, folder: Path) -> Path:
    lines = []
    for number, row in enumerate(rows(path)):
        (folder / f"{number}.png").write_bytes(row["image"])
        lines.append(json.dumps({**row, "image": None, "image_path": f"{number}.png"}))
    (folder / "data.jsonl").write_text("\n".join(lines))
    return folder / "data.jsonl"


def as_csv(path: Path, folder: Path) -> Path:
    with (folder / "data.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "image_path", "caption", "licence", "width"])
        for number, row in enumerate(rows(path)):
            (folder / f"{number}.png").write_bytes(row["image"])
            writer.writerow([row["id"], f"{number}.png", "a thing", row["licence"], row["width"]])
    return folder / "data.csv"


def as_webdataset(path: Path, folder: Path) -> Path:
    with tarfile.open(folder / "data.tar", "w") as tar:
        for row in rows(path):
            kept = {key: row[key] for key in ("licence", "width")}
            members = {"png": row["image"], "txt": b"a thing", "json": json.dumps(kept).encode()}
            for extension, data in members.items():
                member = tarfile.TarInfo(f"{row['id']}.{extension}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    return folder / "data.tar"


def as_folder(path: Path, folder: Path) -> Path:
    """Pictures with a .json of the same name beside each."""
    (folder / "pictures").mkdir()
    for number, row in enumerate(rows(path)):
        place = folder / "pictures" / str(number)
        place.with_suffix(".png").write_bytes(row["image"])
        kept = {"caption": "a thing", "licence": row["licence"], "width": row["width"]}
        place.with_suffix(".json").write_text(json.dumps(kept))
    return folder / "pictures"


def as_folder_with_table(path: Path, folder: Path) -> Path:
    table = as_csv(path, folder)
    table.rename(folder / "metadata.csv")
    path.unlink()
    return folder


def as_array_record(path: Path, folder: Path) -> Path:
    """Features of anybody's own, as another writer leaves them."""
    return array_record(
        folder,
        (
            encode_example(
                {
                    "id": [row["id"].encode()],
                    "image": [row["image"]],
                    "captions": [b"a thing"],
                    "licence": [row["licence"].encode()],
                    "width": [row["width"]],
                }
            )
            for row in rows(path)
        ),
    )


def as_prepared(path: Path, folder: Path) -> Path:
    """Shards that --job=prepare wrote of records with extras."""
    source = open_source({"path": str(path), "columns": COLUMNS})
    return array_record(folder, (encode_record(source[number]) for number in range(4)))


def array_record(folder: Path, records: Iterable[bytes]) -> Path:
    writer = ArrayRecordWriter(str(folder / "data.array_record"), "group_size:1")
    for record in records:
        writer.write(record)
    writer.close()
    return folder / "data.array_record"


def as_hdf5(path: Path, folder: Path) -> Path:
    h5py = pytest.importorskip("h5py")
    with h5py.File(folder / "data.h5", "w") as file:
        images = file.create_dataset("image", (4,), h5py.vlen_dtype(np.uint8))
        for number, row in enumerate(rows(path)):
            images[number] = np.frombuffer(row["image"], np.uint8)
        for name in ("id", "licence", "width"):
            file[name] = [row[name] for row in rows(path)]
        file["captions"] = ["a thing"] * 4
    return folder / "data.h5"


TABLES = [as_parquet, as_jsonl, as_csv, as_folder_with_table]
SHARDS = [as_webdataset, as_array_record, as_prepared, as_hdf5, as_folder]


@pytest.mark.parametrize("form", [*TABLES, *SHARDS])
def test_extras_reach_records_and_evaluation_sets(
    form: Callable[[Path, Path], Path], parquet: Path, tmp_path: Path
) -> None:
    path = form(parquet, tmp_path)
    entry = {"path": str(path), "format": "", "columns": COLUMNS}
    records = [open_source(entry)[number] for number in range(4)]
    assert [record.extras.get("licence", "") for record in records] == LICENCES
    whole = load_evaluation_set(entry, {"resolution": 8, "resize": "pad"})
    assert whole.slices == {"licence": tuple(LICENCES), "width": ("3", "4", "5", "6")}
    plain = load_evaluation_set({**entry, "columns": {}}, {"resolution": 8, "resize": "pad"})
    assert form is as_prepared or not plain.slices  # what was kept is kept


def test_an_extra_that_is_not_there_is_refused(parquet: Path) -> None:
    with pytest.raises(ValueError, match="no column 'licence_url' for extras/licence_url"):
        open_source({"path": str(parquet), "format": "parquet", "columns": {"extras": "licence_url"}})
