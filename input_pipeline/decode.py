"""Encoded bytes to RGB pixels, by content and never by name.

What is read: JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF, PPM; of an animation the first frame. Transparency is flattened on
white, EXIF orientation is applied, grey of 16 bits or floats is scaled to 8 bits, CMYK becomes RGB. A damaged or
truncated image is refused rather than padded with grey. Plain JPEGs, upright and in colour or grey, are decoded by
libjpeg-turbo itself, without Pillow's detour over four bytes a pixel; all else by Pillow. Where both can, their pixels
are the same.
"""

from __future__ import annotations

import functools
import io
import warnings
from collections.abc import Callable

import numpy as np
import simplejpeg
from jaxtyping import UInt8
from PIL import Image, ImageOps

from input_pipeline.records import BadRecord, Reason

MAX_PIXELS = 64_000_000
MAX_SIDE = 65_535  # as in a JPEG; what is longer is one pixel high, and costs a minute to resize
Pixels = UInt8[np.ndarray, "height width 3"]
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "PPM")
_ORIENTATION = 0x0112
# The one limit is open_picture's own max_pixels, read from the header.
Image.MAX_IMAGE_PIXELS = None
warnings.filterwarnings("ignore", module=r"PIL\.")  # of odd EXIF and the like: the pixels are what counts


class Picture:
    """An image of which the header is read, and the pixels when a view knows what it needs of them.

    Attributes:
      width, height: in pixels, upright.
    """

    def __init__(self, width: int, height: int, decode: Callable[[int], Pixels], reducible: bool) -> None:
        self.width, self.height = width, height
        self._decode, self._reducible = decode, reducible
        self._decoded: dict[int, Pixels] = {}  # by how many times smaller they are

    def pixels(self) -> Pixels:
        """Returns all pixels; raises BadRecord if the image is damaged."""
        return self._at(1)

    def reduced(self, shrink: float) -> tuple[Pixels, int]:
        """Returns the pixels for a view that shrinks both sides at least `shrink` times, perhaps already smaller.

        A JPEG comes out 2, 4 or 8 times smaller if that leaves the view a quarter more pixels a side than it shows:
        what a larger part of its spectrum would add, the view's antialiasing takes away (within about one grey
        level). Decoding is remembered, so that several views of one picture share it.

        Returns:
          the pixels, and how many times smaller they are.

        Raises:
          BadRecord: the image is damaged.
        """
        by = next((by for by in (8, 4, 2) if self._reducible and shrink >= 1.25 * by), 1)
        return self._at(by), by

    def _at(self, by: int) -> Pixels:
        if by not in self._decoded:
            self._decoded[by] = self._decode(by)
        return self._decoded[by]


def open_picture(data: bytes, max_pixels: int = MAX_PIXELS) -> Picture:
    """Reads the header of an encoded image.

    Args:
      data: the encoded bytes.
      max_pixels: refuse, from the header, what is larger.

    Raises:
      BadRecord: the data are no image, or one larger than max_pixels. Damage shows at the latest when pixels
        are asked for.
    """
    if not data:
        raise BadRecord(Reason.MISSING_IMAGE, "the image has no bytes")
    size = _plain_jpeg_size(data)
    if size:
        _check_size(*size, max_pixels)
        return Picture(*size, functools.partial(_decode_plain_jpeg, data, size), reducible=True)
    image = _open(data)
    _check_size(*image.size, max_pixels)
    if image.format != "JPEG":
        return _picture(_load(image))
    size = image.size[::-1] if _orientation(image) >= 5 else image.size
    return Picture(*size, functools.partial(_decode_jpeg, data), reducible=True)


def load_image(data: bytes, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Loads one image as its file stores it: not turned upright, not flattened, in any mode.

    Raises:
      BadRecord: as `open_picture`.
    """
    if not data:
        raise BadRecord(Reason.MISSING_IMAGE, "the image has no bytes")
    image = _open(data)
    _check_size(*image.size, max_pixels)
    try:
        image.load()
    except Exception as error:  # decoders raise nearly anything on damaged data
        raise BadRecord(Reason.UNDECODABLE, f"{image.format} image: {error}") from None
    return image


def decode_image(data: bytes, max_pixels: int = MAX_PIXELS) -> Pixels:
    """Decodes one image at its full size.

    Raises:
      BadRecord: the data are no image, are damaged, or are larger than max_pixels.
    """
    return open_picture(data, max_pixels).pixels()


def picture_of(image: Image.Image) -> Picture:
    """Returns any Pillow image, upright, flattened on white and in RGB."""
    return _picture(np.asarray(_flatten(_upright(image))))


def _picture(pixels: Pixels) -> Picture:
    return Picture(pixels.shape[1], pixels.shape[0], lambda _: pixels, reducible=False)


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise BadRecord(Reason.TOO_LARGE, f"{width}x{height} pixels are more than {max_pixels}")
    if max(width, height) > MAX_SIDE:
        raise BadRecord(Reason.TOO_LARGE, f"of {width}x{height} pixels, a side is over {MAX_SIDE}")


def _plain_jpeg_size(data: bytes) -> tuple[int, int] | None:
    """(width, height) of a JPEG that needs nothing of Pillow, None for all else."""
    if data[:3] != b"\xff\xd8\xff" or _has_app1(data):
        return None
    try:
        height, width, colorspace, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return None
    return (width, height) if colorspace in ("YCbCr", "Gray") else None


def _has_app1(data: bytes) -> bool:
    """Whether a JPEG's header has the segment that may hold an orientation, in EXIF or in XMP."""
    at = 2
    while data[at : at + 1] == b"\xff" and at + 4 <= len(data):
        marker = data[at + 1]
        if marker in (0xE1, 0xDA):  # APP1, start of scan
            return marker == 0xE1
        # A marker may be preceded by any number of fill bytes; a segment says its own length.
        at += 1 if marker == 0xFF else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return False


def _decode_plain_jpeg(data: bytes, size: tuple[int, int], reduction: int) -> Pixels:
    width, height = (-(-side // reduction) for side in size)
    try:
        if reduction == 1:
            return simplejpeg.decode_jpeg(data)
        return simplejpeg.decode_jpeg(data, min_width=width, min_height=height, min_factor=reduction)
    except ValueError as error:
        raise BadRecord(Reason.UNDECODABLE, f"JPEG image: {error}") from None


def _decode_jpeg(data: bytes, reduction: int) -> Pixels:
    image = _open(data)
    if reduction > 1:
        image.draft(None, (image.width // reduction, image.height // reduction))
    return _load(image)


def _load(image: Image.Image) -> Pixels:
    try:
        image.load()
        return np.asarray(_flatten(_upright(image)))
    except Exception as error:  # decoders raise nearly anything on damaged data
        raise BadRecord(Reason.UNDECODABLE, f"{image.format} image: {error}") from None


def _open(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=_FORMATS)
    except Exception as error:
        detail = f"{len(data)} bytes starting {data[:8]!r} are no image ({type(error).__name__})"
        raise BadRecord(Reason.UNDECODABLE, detail) from None


def _orientation(image: Image.Image) -> int:
    """1 for upright, up to 8."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # a corrupt EXIF block says nothing about the pixels
        return 1
    return value if value in range(2, 9) else 1


def _upright(image: Image.Image) -> Image.Image:
    return ImageOps.exif_transpose(image) if _orientation(image) > 1 else image


def _flatten(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I") or image.mode == "F":
        image = _to_8_bits(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def _to_8_bits(image: Image.Image) -> Image.Image:
    """Scale grey of many bits by the range that its values are in: Pillow's own conversion would clip them.

    Raises:
      ValueError: they are in no range of a picture, as heights and temperatures are not.
    """
    values = np.asarray(image, np.float64)
    least, greatest = values.min(initial=0), values.max(initial=0)
    if image.mode.startswith("I;16"):
        scale = 65535.0
    elif image.mode == "F" and greatest < 2:  # resampling may shoot a little beyond 1
        scale = 1.0
    else:
        scale = 65535.0 if greatest > 255 else 255.0
    if not (least >= -0.02 * max(greatest, 1.0) and greatest < max(2.0, 1.1 * scale)):  # nor is NaN
        raise ValueError(
            f"its grey values, from {least:g} to {greatest:g}, are on no known scale (0 to 1, to 255 or to 65535)"
        )
    grey = Image.fromarray(np.clip(np.rint(values * (255.0 / scale)), 0, 255).astype(np.uint8))
    if "transparency" in image.info:  # one of the values before
        grey.putalpha(
            Image.fromarray(np.where(values == image.info["transparency"], 0, 255).astype(np.uint8))
        )
    return grey
