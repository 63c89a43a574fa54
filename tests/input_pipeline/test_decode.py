"""Bytes to pixels: every common flavour right, every kind of damage refused."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from input_pipeline.decode import decode_image, open_picture
from input_pipeline.records import BadRecord, Reason


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_an_odd_image_loads_or_is_refused_as_the_manifest_says(odd_inputs: Path, odd_image: dict) -> None:
    assert _problem(odd_inputs, odd_image) == ""


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
    assert decode_image(encoded(ramp, "PNG", transparency=257))[0, :, 0].tolist() == [0, 255, 128, 255]


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


def test_damage_within_a_scan_is_refused(encode: Callable[..., bytes]) -> None:
    data = bytearray(encode(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8), "JPEG"))
    data[len(data) // 2 : len(data) // 2 + 40] = bytes(40)
    with pytest.raises(BadRecord) as refused:
        decode_image(bytes(data))
    assert refused.value.reason is Reason.UNDECODABLE


@pytest.mark.parametrize("size", [(64, 48), (33, 97), (1, 1)])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"quality": 30}])
def test_plain_jpegs_come_out_as_pillow_decodes_them(size: tuple[int, int], options: dict) -> None:
    dice = np.random.default_rng(sum(size))
    image = Image.fromarray(dice.integers(0, 256, (*size, 3), np.uint8)).resize(
        (200, 150), Image.Resampling.BICUBIC
    )
    for mode in ("RGB", "L"):
        data = encoded(image.convert(mode), "JPEG", **options)
        np.testing.assert_array_equal(
            decode_image(data), np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
        )


def test_reduced_decoding_leaves_what_the_view_needs() -> None:
    image = Image.new("RGB", (905, 603))
    turned = Image.Exif()
    turned[0x0112] = 6
    for exif, (width, height) in ((None, (905, 603)), (turned, (603, 905))):
        picture = open_picture(encoded(image, "JPEG", **({"exif": exif} if exif else {})))
        assert (picture.width, picture.height) == (width, height)
        for shrink, by in ((0.5, 1), (2.4, 1), (2.5, 2), (4.9, 2), (5.0, 4), (10.0, 8), (500.0, 8)):
            pixels, reduction = picture.reduced(shrink)
            assert reduction == by
            assert pixels.shape == (-(-height // by), -(-width // by), 3)
    pixels, reduction = open_picture(encoded(image, "PNG")).reduced(8.0)
    assert reduction == 1 and pixels.shape == (603, 905, 3)


def test_several_views_share_one_decoding() -> None:
    picture = open_picture(encoded(Image.new("RGB", (64, 64)), "JPEG"))
    assert picture.pixels() is picture.reduced(1.0)[0]


@pytest.mark.parametrize("mode", ["F", "I"])
@pytest.mark.parametrize(("greatest", "white"), [(255, 255), (65535, 255), (200, 200), (300, 1)])
def test_grey_of_many_bits_is_scaled_by_what_it_holds(mode: str, greatest: int, white: int) -> None:
    values = np.full((4, 4), greatest, np.float32 if mode == "F" else np.int32)
    data = encoded(Image.fromarray(values), "TIFF")
    np.testing.assert_array_equal(decode_image(data), np.full((4, 4, 3), white))


def test_grey_of_floats_is_a_picture_from_0_to_1_or_none() -> None:
    ramp = np.linspace(0, 1, 16, dtype=np.float32).reshape(4, 4)
    for values in (ramp, 1.01 * ramp - 0.005):
        shown = decode_image(encoded(Image.fromarray(values), "TIFF"))
        np.testing.assert_allclose(shown[..., 0], 255 * ramp, atol=2)
    nan = np.where(ramp > 0.9, np.float32(np.nan), ramp)
    high, low = np.full((4, 4), 80_000, np.int32), 1.05 * ramp - np.float32(0.05)
    for strange in (nan, 2 * ramp - 1, 8848 * ramp - 430, (2e9 * ramp).astype(np.int32), high, low):
        with pytest.raises(BadRecord, match=r"grey values, from .* are on no known scale") as bad:
            decode_image(encoded(Image.fromarray(strange), "TIFF"))
        assert bad.value.reason is Reason.UNDECODABLE


def test_an_image_of_one_endless_row_is_refused() -> None:
    for size in ((65_536, 1), (1, 65_536)):
        with pytest.raises(BadRecord, match="a side is over 65535") as bad:
            decode_image(encoded(Image.new("L", size), "PNG"))
        assert bad.value.reason is Reason.TOO_LARGE
    assert decode_image(encoded(Image.new("L", (65_535, 2)), "PNG")).shape == (2, 65_535, 3)
