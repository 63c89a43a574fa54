"""Makes the malformed inputs that are too large to be kept: pictures that unpack to gigabytes, endless captions."""

from __future__ import annotations

import io
import struct
import tarfile
import zlib
from pathlib import Path

from PIL import Image

_MEGABYTE = 2**20


def add_large_files(folder: Path) -> None:
    """Adds to a copy of the malformed inputs what their manifest names beside the files that are kept."""
    ok, image, bomb = (
        (folder / "images" / "ok.jpg").read_bytes(),
        (folder / "images" / "ok.png"),
        wide_picture(),
    )
    made = {
        "images/bomb_30000x30000_1bit.png": bomb,
        "images/bomb_ztxt.png": with_long_comment(image.read_bytes()),
        "images/huge_but_legal_6000x4000.jpg": drawing((6000, 4000)),
        "tar/bomb_image_inside.tar": packed(
            {"000000.jpg": bomb, "000000.txt": b"bomb", "000001.jpg": ok, "000001.txt": b"number 1"}
        ),
        "samples/caption_1mb.txt": b"red disc " * (_MEGABYTE // 9 + 1),
        "samples/caption_1mb_no_space.txt": b"a" * _MEGABYTE,
        "json/deep_nesting.json": b"[" * 100_000 + b"]" * 100_000,
    }
    for name, data in made.items():
        (folder / name).write_bytes(data)


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def zeros(count: int) -> bytes:
    """So many zero bytes, deflated without holding them."""
    press = zlib.compressobj(1)
    parts = [press.compress(bytes(min(_MEGABYTE, count - at))) for at in range(0, count, _MEGABYTE)]
    return b"".join([*parts, press.flush()])


def wide_picture(side: int = 30_000) -> bytes:
    """A black picture of one bit a pixel, whose rows are a filter byte and side / 8 bytes."""
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    data = zeros(side * (1 + side // 8))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def with_long_comment(png: bytes, length: int = 200_000_000) -> bytes:
    """The same picture with a deflated comment behind its header, which is 33 bytes long."""
    return png[:33] + chunk(b"zTXt", b"Comment\x00\x00" + zeros(length)) + png[33:]


def drawing(size: tuple[int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert("RGB").save(buffer, "JPEG")
    return buffer.getvalue()


def packed(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in members.items():
            information = tarfile.TarInfo(name)
            information.size = len(data)
            archive.addfile(information, io.BytesIO(data))
    return buffer.getvalue()
