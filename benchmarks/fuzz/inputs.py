"""Corrupted data files and pictures: does anything crash, hang, leak memory, or raise what it does not promise?

python -m benchmarks.fuzz.inputs [--cases=10000] [--kinds=tar,parquet,image] [--first=0]

The exit code is 1 where something failed. Cases run in a process of their own, with 4 GB of address space and a minute
for one.
"""

from __future__ import annotations

import io
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.fuzz import harness
from benchmarks.fuzz.mutations import corrupt

MAX_PIXELS = 1_000_000


def read_all(format: str, data: bytes, path: Path) -> str:
    """Opens the bytes as a data set and reads every record."""
    from input_pipeline.records import BadRecord
    from input_pipeline.sources import open_source

    path.write_bytes(data)
    try:
        source = open_source({"format": format, "path": str(path)})
    except ValueError:
        return "refused"
    bad = 0
    for index in range(len(source)):
        try:
            source[index]
        except BadRecord:
            bad += 1
    return "with bad records" if bad else "read"


def tar_original(folder: Path) -> list[bytes]:
    """Two archives, one with long names."""
    archives = []
    for prefix in ("", "ö" * 120):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for number in range(6):
                content = {
                    "json": b'{"captions": ["a", "b"], "tags": ["c"]}',
                    "jpg": bytes(range(256)) * 8,
                    "txt": b"a",
                }
                for extension, data in content.items():
                    member = tarfile.TarInfo(f"{prefix}{number:04d}.{extension}")
                    member.size = len(data)
                    archive.addfile(member, io.BytesIO(data))
        archives.append(buffer.getvalue())
    return archives


def parquet_original(folder: Path) -> list[bytes]:
    """Files of every compression, with every type that a source reads."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    files = []
    for compression in ("none", "snappy", "zstd", "gzip"):
        buffer = io.BytesIO()
        rows = {
            "id": [f"id{number % 4}" for number in range(12)],
            "image": [np.random.default_rng(number).bytes(2000) for number in range(12)],
            "captions": [["a caption", None, "another"][: number % 4] for number in range(12)],
            "langs": pa.array([[("de", "ein Bild")]] * 12, pa.map_(pa.string(), pa.string())),
            "category": list(range(12)),
        }
        pq.write_table(pa.table(rows), buffer, row_group_size=5, compression=compression)
        files.append(buffer.getvalue())
    return files


def tar_case(originals: Sequence[bytes], case: int, dice: np.random.Generator, folder: Path) -> str:
    data = corrupt(originals[case % len(originals)], dice)
    return read_all("webdataset", data, folder / "case.tar")


def parquet_case(originals: Sequence[bytes], case: int, dice: np.random.Generator, folder: Path) -> str:
    data = corrupt(originals[case % len(originals)], dice)
    return read_all("parquet", data, folder / "case.parquet")


def image_original(folder: Path) -> list[bytes]:
    """The kinds of picture that image-text data are made of."""
    from PIL import Image

    dice = np.random.default_rng(0)
    image = Image.fromarray(dice.integers(0, 256, (12, 16, 3), np.uint8)).resize((160, 120))
    kinds: list[tuple[str, dict[str, bool]]] = [("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {})]
    files = []
    for (kind, options), mode in [(kind, mode) for kind in kinds for mode in ("RGB", "L")]:
        buffer = io.BytesIO()
        image.convert(mode).save(buffer, kind, **options)
        files.append(buffer.getvalue())
    return files


def image_case(originals: Sequence[bytes], case: int, dice: np.random.Generator, folder: Path) -> str:
    from input_pipeline.decode import open_picture
    from input_pipeline.records import BadRecord
    from input_pipeline.views.image import TrainingView

    data, view = (
        corrupt(originals[case % len(originals)], dice),
        TrainingView(32, "pad", (0.2, 1.0), (3 / 4, 4 / 3)),
    )
    try:
        shown = view(open_picture(data, MAX_PIXELS), dice)
    except BadRecord as bad:
        return bad.reason.name.lower()
    assert shown.shape == (32, 32, 3), f"{shown.shape}"
    return "decoded"


KINDS = {
    "tar": harness.Kind(tar_original, tar_case),
    "parquet": harness.Kind(parquet_original, parquet_case),
    "image": harness.Kind(image_original, image_case),
}

if __name__ == "__main__":
    sys.exit(harness.main(KINDS, __doc__, cases=10_000))
