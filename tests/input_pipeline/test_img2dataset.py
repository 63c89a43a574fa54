"""What img2dataset leaves, read as people have it: shards, counts and metadata side by side, and keys that repeat."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from configs.settings.data import IMAGE
from configs.settings.setting import defaults
from input_pipeline.sources import open_source
from input_pipeline.stream import make_stream
from input_pipeline.tokenizers import Tokenizer

KEYS = [f"00000{number:04d}" for number in range(3)]


def written(folder: Path, shade: int) -> Path:
    """A folder of one shard; what it shows and says starts at `shade`."""
    folder.mkdir(parents=True)
    rows = [
        {"key": key, "url": f"http://{folder.name}/{key}", "similarity": (shade + number) / 8, "caption": "a"}
        for number, key in enumerate(KEYS)
    ]
    with tarfile.open(folder / "00000.tar", "w") as archive:
        for number, row in enumerate(rows):
            picture = io.BytesIO()
            Image.fromarray(np.full((8, 8, 3), shade + number, np.uint8)).save(picture, "PNG")
            for extension, data in (
                ("png", picture.getvalue()),
                ("txt", b"a thing"),
                ("json", json.dumps(row).encode()),
            ):
                member = tarfile.TarInfo(f"{row['key']}.{extension}")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    pq.write_table(pa.Table.from_pylist(rows), folder / "00000.parquet")
    (folder / "00000_stats.json").write_text(json.dumps({"count": len(rows), "successes": len(rows)}))
    return folder


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return written(tmp_path / "cc" / "one", 0), written(tmp_path / "cc" / "two", 4)


def shown(tokenizer: Tokenizer, sources: dict[str, str], table: Path) -> list[tuple[int, int]]:
    """The shade of each picture of a batch, and what the table says of it."""
    stream = make_stream(
        {
            "sources": {name: {"format": "", "path": path, "weight": 1.0} for name, path in sources.items()},
            "image": defaults(IMAGE),
            "text": {},
            "tables": {"number": {"path": str(table)}},
        },
        preprocessing={"resolution": 8, "resize": "pad"},
        tokenizer=tokenizer,
        batch_size=6,
        seed=0,
        fields=("image", "number"),
    )
    batch = next(stream.batches())
    return sorted(zip(batch["image"][:, 0, 0, 0].tolist(), batch["number"].tolist(), strict=True))


def test_metadata_of_the_shards_travels_as_extras(folders: tuple[Path, Path]) -> None:
    source = open_source({"path": str(folders[1]), "columns": {"extras": "url, similarity, key"}})
    assert [source[number].id for number in range(len(source))] == [f"00000/{key}" for key in KEYS]
    assert source[2].extras == {"url": f"http://two/{KEYS[2]}", "similarity": 0.75, "key": KEYS[2]}


def test_keys_that_repeat_between_folders_join_their_own_rows(
    folders: tuple[Path, Path], tokenizer: Tokenizer, tmp_path: Path
) -> None:
    ids = [f"{folder.name}/00000/{key}" for folder in folders for key in KEYS]
    table = tmp_path / "by_id.parquet"
    pq.write_table(pa.table({"id": ids, "number": [0, 1, 2, 4, 5, 6]}), table)
    together = {"cc": f"{tmp_path / 'cc'}/*/00000.tar"}
    assert shown(tokenizer, together, table) == [(number, number) for number in (0, 1, 2, 4, 5, 6)]

    apart = {folder.name: str(folder) for folder in folders}
    ids = [f"00000/{key}" for key in KEYS]
    pq.write_table(pa.table({"id": ids, "number": [0, 1, 2]}), table)
    with pytest.raises(ValueError, match="records of two sources have the id '00000/"):
        shown(tokenizer, apart, table)
    rows = {"id": ids * 2, "source": ["one"] * 3 + ["two"] * 3, "number": [0, 1, 2, 4, 5, 6]}
    pq.write_table(pa.table(rows), table)
    assert shown(tokenizer, apart, table) == [(number, number) for number in (0, 1, 2, 4, 5, 6)]
