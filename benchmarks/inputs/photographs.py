"""Files of photograph-like pictures with captions, in every format that is timed: what input_pipeline.py reads."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

QUICKSTART = Path(__file__).resolve().parents[2] / "data" / "quickstart" / "train.parquet"
SHARDS = 2
ENCODINGS = {"JPEG": {"quality": 92}, "WEBP": {"quality": 92}, "PNG": {}}
Pair = tuple[bytes, str]  # encoded image, caption


def photographs(count: int, size: tuple[int, int], distinct: int = 64, encoding: str = "JPEG") -> list[Pair]:
    """Pictures of the quickstart, enlarged, with the grain of a sensor: 500 x 375 has about 59 KB at quality 92."""
    dice = np.random.default_rng(0)
    table = pq.read_table(QUICKSTART, columns=["image", "captions"]).slice(0, distinct)
    pairs = []
    for row in table.to_pylist():
        small = Image.open(io.BytesIO(row["image"])).convert("RGB")
        large = np.asarray(small.resize(size, Image.Resampling.BICUBIC), np.float32)
        grainy = np.clip(large + dice.normal(0, 9, large.shape), 0, 255).astype(np.uint8)
        pairs.append((encoded(grainy, encoding), row["captions"][0]))
    return [pairs[place % distinct] for place in range(count)]


def specks(count: int) -> list[Pair]:
    """Pictures of 8 x 8 pixels, which cost next to nothing to decode."""
    return [(encoded(np.zeros((8, 8, 3), np.uint8), "JPEG"), "a black square")] * count


def encoded(pixels: np.ndarray, encoding: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, encoding, **ENCODINGS[encoding])
    return buffer.getvalue()


def write(pairs: list[Pair], folder: Path, kinds: tuple[str, ...]) -> None:
    """Write the pairs as folder/KIND/*, in two shards."""
    for kind in kinds:
        (folder / kind).mkdir(parents=True)
        for shard in range(SHARDS):
            _WRITERS[kind](folder / kind / f"{shard:05d}", _numbered(pairs, shard))


def _numbered(pairs: list[Pair], shard: int) -> Iterator[tuple[str, bytes, str]]:
    for number in range(shard, len(pairs), SHARDS):
        yield f"{number:08d}", *pairs[number]


def _write_parquet(path: Path, rows: Iterator[tuple[str, bytes, str]]) -> None:
    ids, images, captions = zip(*rows, strict=True)
    table = pa.table({"id": ids, "image": images, "captions": [[caption] for caption in captions]})
    pq.write_table(table, path.with_suffix(".parquet"), row_group_size=64, compression="none")


def _write_array_record(path: Path, rows: Iterator[tuple[str, bytes, str]]) -> None:
    from array_record.python.array_record_module import ArrayRecordWriter

    from input_pipeline.records import Caption, Record
    from input_pipeline.sources.array_record import encode_record

    writer = ArrayRecordWriter(str(path.with_suffix(".array_record")), "group_size:1")
    for name, image, caption in rows:
        writer.write(encode_record(Record(id=name, image=image, captions=(Caption(caption),))))
    writer.close()


def _write_tar(path: Path, rows: Iterator[tuple[str, bytes, str]]) -> None:
    with tarfile.open(path.with_suffix(".tar"), "w") as archive:
        for name, image, caption in rows:
            for extension, data in (("jpg", image), ("txt", caption.encode())):
                member = tarfile.TarInfo(f"{name}.{extension}")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))


_WRITERS = {"parquet": _write_parquet, "array_record": _write_array_record, "webdataset": _write_tar}
