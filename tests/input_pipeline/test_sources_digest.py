"""Digests of sources: other bytes are seen wherever they lie in small files, and at the ends of large ones."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from input_pipeline.sources import open_source
from input_pipeline.sources.digest import digest


def test_one_byte_makes_another_digest(tmp_path: Path) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(bytes(60_000))
    large.write_bytes(bytes(5_000_000))
    before = {path: digest((), [path]) for path in (small, large)}
    for path, place in ((small, 0), (small, 31_415), (small, 59_999), (large, 0), (large, 4_999_999)):
        data = bytearray(path.read_bytes())
        data[place] = 1
        path.write_bytes(data)
        assert digest((), [path]) != before[path]
        data[place] = 0
        path.write_bytes(data)
        assert digest((), [path]) == before[path]
    assert digest((1,), []) != digest((2,), [])
    assert digest((), [tmp_path / "nowhere"]) == digest((), [tmp_path / "elsewhere"])


def test_a_swapped_picture_or_shard_is_another_source(
    tmp_path: Path, write_parquet: Callable[..., Path]
) -> None:
    def picture(seed: int) -> bytes:
        buffer = io.BytesIO()
        pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
        Image.fromarray(pixels).save(buffer, "BMP")
        return buffer.getvalue()

    folder = tmp_path / "pictures"
    (folder / "dog").mkdir(parents=True)
    (folder / "dog" / "a.bmp").write_bytes(picture(0))
    seen = [open_source({"format": "folder", "path": str(folder)}).digest()]  # type: ignore[attr-defined]
    (folder / "dog" / "a.bmp").write_bytes(picture(1))
    seen.append(open_source({"format": "folder", "path": str(folder)}).digest())  # type: ignore[attr-defined]
    (folder / "dog").rename(folder / "cat")
    seen.append(open_source({"format": "folder", "path": str(folder)}).digest())  # type: ignore[attr-defined]
    for seed in (0, 1):
        path = write_parquet(4, images={number: picture(10 * seed + number) for number in range(4)})
        seen.append(open_source({"format": "parquet", "path": str(path)}).digest())  # type: ignore[attr-defined]
    assert len(set(seen)) == len(seen)
