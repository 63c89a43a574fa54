"""Bytes to pixels: every common flavour right, every kind of damage refused."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from input_pipeline.decode import decode_image, decode_rgb
from input_pipeline.records import BadRecord, Reason


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_every_image_of_the_manifest_loads_or_is_refused_as_it_says(odd_inputs: Path) -> None:
    manifest = json.loads((odd_inputs / "manifest.json").read_text())
    entries = [entry for entry in manifest["entries"] if entry["kind"] == "images"]
    assert len(entries) > 60
    wrong = [f"{entry['file']}: {problem}" for entry in entries if (problem := _problem(odd_inputs, entry))]
    assert not wrong, "\n".join(wrong)


def _problem(folder: Path, entry: dict) -> str:
    """What is wrong with decoding one entry, '' if nothing."""
    try:
        image = decode_image((folder / entry["file"]).read_bytes())
    except BadRecord as bad:
        allowed = entry["expect"] in ("skip", "load_or_skip") or entry.get("alt") == "skip"
        return "" if allowed else f"refused: {bad}"
    if entry["expect"] == "skip":
        return f"loaded as {image.shape}"
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        return f"came out as {image.dtype} {image.shape}"
    if "size" in entry and image.shape[:2] != tuple(reversed(entry["size"])):
        return f"came out as {image.shape}, not {entry['size']}"
    if "probe" in entry:
        x, y = entry["probe"]["xy"]
        error = np.abs(image[y, x].astype(int) - entry["probe"]["about"]).max()
        return f"pixel {image[y, x]}" if error > entry["probe"]["tol"] else ""
    return ""


def test_transparency_is_flattened_on_white_not_on_what_lies_beneath() -> None:
    clear_red = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    half_black = Image.new("RGBA", (4, 4), (0, 0, 0, 128))
    assert (decode_image(encoded(clear_red, "PNG")) == 255).all()
    assert (decode_image(encoded(half_black, "PNG")) == 127).all()
    grey = Image.new("LA", (4, 4), (0, 0))
    assert (decode_image(encoded(grey, "PNG")) == 255).all()
    keyed = Image.new("RGB", (4, 4), (1, 2, 3))
    assert (decode_image(encoded(keyed, "PNG", transparency=(1, 2, 3))) == 255).all()


def test_sixteen_bit_grey_is_scaled() -> None:
    ramp = Image.fromarray(np.array([[0, 257, 32896, 65535]], np.uint16))
    assert decode_image(encoded(ramp, "PNG"))[0, :, 0].tolist() == [0, 1, 128, 255]


def test_orientation_turns_the_pixels() -> None:
    image = Image.fromarray(np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = decode_image(encoded(image, "PNG", exif=exif))
    np.testing.assert_array_equal(turned, np.rot90(np.asarray(image), -1))


def test_a_bomb_is_refused_from_its_header() -> None:
    bomb = encoded(Image.new("1", (20_000, 20_000)), "PNG")
    tracemalloc.start()
    with pytest.raises(BadRecord) as refused:
        decode_image(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert refused.value.reason is Reason.TOO_LARGE
    assert "20000x20000" in str(refused.value)
    assert peak < 1_000_000
    assert decode_image(encoded(Image.new("RGB", (8, 8)), "PNG"), max_pixels=64).shape == (8, 8, 3)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_cut_data_are_refused(kind: str, encode: Callable[..., bytes]) -> None:
    data = encode(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8), kind)
    with pytest.raises(BadRecord) as refused:
        decode_image(data[: len(data) // 2])
    assert refused.value.reason is Reason.UNDECODABLE
    with pytest.raises(BadRecord) as refused:
        decode_image(b"")
    assert refused.value.reason is Reason.MISSING_IMAGE


def test_reduced_decoding_keeps_the_sides_it_promises(encode: Callable[..., bytes]) -> None:
    data = encode(np.zeros((600, 900, 3), np.uint8), "JPEG")
    for side in (0, 64, 100, 299, 300, 301, 700):
        image = decode_rgb(data, minimum_side=side)
        assert min(image.size) >= min(600, side)
    assert decode_rgb(data, minimum_side=100).size == (225, 150)
