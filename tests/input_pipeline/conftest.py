"""Small data sets made on the spot, and the malformed ones."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from large_files import add_large_files
from PIL import Image

from input_pipeline.sources import array_record, files
from input_pipeline.tokenizers import Tokenizer, load_tokenizer

MALFORMED = Path(__file__).with_name("malformed")


@pytest.fixture(autouse=True, scope="module")
def no_file_stays_open() -> Iterator[None]:
    """Sources keep their files open for as long as the process lives, which here is that of all other tests, too."""
    yield
    for remembered in (array_record._reader, files._open):
        remembered.cache_clear()


@pytest.fixture(scope="session")
def odd_inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of malformed files with a manifest, the large ones made anew."""
    folder = tmp_path_factory.mktemp("malformed") / "all"
    shutil.copytree(MALFORMED, folder)
    add_large_files(folder)
    return folder


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `odd_image` runs once for every image of the manifest."""
    if "odd_image" in metafunc.fixturenames:
        entries = json.loads((MALFORMED / "manifest.json").read_text())["entries"]
        images = [entry for entry in entries if entry["kind"] == "images"]
        metafunc.parametrize("odd_image", images, ids=lambda entry: entry["file"])


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
