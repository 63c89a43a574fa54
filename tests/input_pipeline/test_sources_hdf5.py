"""HDF5: rows of datasets are records, encoded or as pixels, from one file or many."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from input_pipeline.records import BadRecord
from input_pipeline.sources import guess, hdf5, open_source

h5py = pytest.importorskip("h5py")

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 6, 5, 3), np.uint8)


@pytest.fixture(autouse=True)
def no_file_stays_open() -> Iterator[None]:
    yield
    hdf5._opened.cache_clear()


def encoded(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def write(path: Path, as_pixels: bool = True, start: int = 0) -> Path:
    with h5py.File(path, "w") as file:
        if as_pixels:
            file["image"] = PIXELS
        else:
            images = file.create_dataset("image", (4,), h5py.vlen_dtype(np.uint8))
            for row, pixels in enumerate(PIXELS):
                images[row] = np.frombuffer(encoded(pixels), np.uint8)
        file["id"] = [f"{start + row:04d}" for row in range(4)]
        file["caption"] = ["a cat", "a dog", "", "ein Hase"]
        file["meta/label"] = [3, 1, 4, 1]
        file["tags"] = np.array([["x", "y"], ["x", ""], ["", ""], ["z", "y"]], h5py.string_dtype())
    return path


@pytest.mark.parametrize("as_pixels", [True, False])
def test_rows_are_records(tmp_path: Path, as_pixels: bool) -> None:
    path = write(tmp_path / "a.h5", as_pixels)
    source = open_source({"format": "hdf5", "path": str(path), "columns": {"label": "meta/label"}})
    assert guess.guess(str(path)).format == "hdf5" and len(source) == 4
    one = pickle.loads(pickle.dumps(source))[3]
    assert (one.id, one.label, one.tags) == ("0003", "1", ("z", "y"))
    assert [caption.text for caption in one.captions] == ["ein Hase"] and not source[2].captions
    assert one.image is not None
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(one.image))), PIXELS[3])


def test_files_follow_each_other_and_a_broken_one_counts_once(tmp_path: Path) -> None:
    write(tmp_path / "a.h5")
    (tmp_path / "b.h5").write_bytes(b"nothing")
    write(tmp_path / "c.h5", start=4)
    source = open_source({"format": "hdf5", "path": str(tmp_path)})
    assert len(source) == 9 and [source[index].id for index in (0, 3, 5, 8)] == [
        "0000",
        "0003",
        "0004",
        "0007",
    ]
    with pytest.raises(BadRecord, match=r"b\.h5 is no readable HDF5 file"):
        source[4]


def test_a_file_that_is_rewritten_is_noticed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5")
    source = open_source({"format": "hdf5", "path": str(path)})
    hdf5._opened.cache_clear()
    write(path, as_pixels=False)
    with pytest.raises(BadRecord, match="has changed since it was opened"):
        source[0]


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "odd.h5", "w") as file:
        file["picture"] = PIXELS
    with pytest.raises(ValueError, match=r"has none of .*; it has picture: name its datasets"):
        open_source({"format": "hdf5", "path": str(tmp_path / "odd.h5")})
    with h5py.File(tmp_path / "short.h5", "w") as file:
        file["image"], file["caption"] = PIXELS, ["one"]
    with pytest.raises(ValueError, match=r"have other lengths: .*'image': 4"):
        open_source({"format": "hdf5", "path": str(tmp_path / "short.h5")})
