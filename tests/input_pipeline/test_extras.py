"""Columns that nobody knows travel as extras, from every format to records and evaluation sets."""

from __future__ import annotations

import csv
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from input_pipeline.evaluation_set import load_evaluation_set
from input_pipeline.sources import open_source

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


@pytest.mark.parametrize("form", [as_parquet, as_jsonl, as_csv, as_webdataset])
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
    assert not plain.slices


def test_an_extra_that_is_not_there_is_refused(parquet: Path) -> None:
    with pytest.raises(ValueError, match="no column 'licence_url' for extras/licence_url"):
        open_source({"path": str(parquet), "format": "parquet", "columns": {"extras": "licence_url"}})
