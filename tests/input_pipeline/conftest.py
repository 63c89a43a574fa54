"""Small data sets made on the spot, and where larger collections of odd inputs may lie."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from input_pipeline.sources import array_record, files
from input_pipeline.tokenizers import Tokenizer, load_tokenizer

ROOT = Path(__file__).resolve().parents[2]
MALFORMED = Path(os.environ.get("VLP_SHARED_DATA", ROOT.parent / "shared" / "data")) / "malformed"


@pytest.fixture(autouse=True, scope="module")
def no_file_stays_open() -> Iterator[None]:
    """Sources keep their files open for as long as the process lives, which here is that of all other tests, too."""
    yield
    for remembered in (array_record._reader, files._open):
        remembered.cache_clear()


@pytest.fixture(scope="session")
def odd_inputs() -> Path:
    """A folder of malformed files with a manifest; not part of the repository."""
    if not MALFORMED.is_dir():
        pytest.skip(
            f"no malformed inputs at {MALFORMED}: set VLP_SHARED_DATA to the folder that holds malformed/"
        )
    return MALFORMED


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `odd_image` runs once for every image of the manifest, or is skipped by `odd_inputs`."""
    if "odd_image" in metafunc.fixturenames:
        manifest = MALFORMED / "manifest.json"
        entries = json.loads(manifest.read_text())["entries"] if manifest.is_file() else []
        images = [entry for entry in entries if entry["kind"] == "images"]
        metafunc.parametrize("odd_image", images or [{}], ids=lambda entry: entry.get("file", "none"))


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    path = "data/quickstart/tokenizer.model"
    return load_tokenizer({"kind": "sentencepiece", "path": path, "length": 16, "vocabulary_size": 0})


def encode_image(array: np.ndarray, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def encode() -> Callable[..., bytes]:
    """uint8 array [h, w, 3] -> encoded bytes."""
    return encode_image


@pytest.fixture
def write_parquet(tmp_path: Path) -> Callable[..., Path]:
    """Writes records with distinct random images; `images` replaces bytes by record number."""

    def write(
        count: int, name: str = "data", images: dict[int, bytes | None] | None = None, rows: int = 4
    ) -> Path:
        dice = np.random.default_rng(count)
        pictures: list[bytes | None] = [
            encode_image(dice.integers(0, 256, (12, 16, 3), np.uint8)) for _ in range(count)
        ]
        for number, data in (images or {}).items():
            pictures[number] = data
        captions: Sequence[list[str]] = [[f"{name} {i}", f"a picture of {name} {i}"] for i in range(count)]
        columns = {"id": [f"{name}/{i}" for i in range(count)], "image": pictures, "captions": captions}
        path = tmp_path / f"{name}.parquet"
        pq.write_table(pa.table(columns), path, row_group_size=rows)
        return path

    return write
