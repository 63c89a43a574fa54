"""Encoded bytes to RGB pixels, by content and never by name.

What is read: JPEG, PNG, WebP, GIF, BMP, TIFF; of an animation the first frame. Transparency is flattened on
white, EXIF orientation is applied, 16-bit grey is scaled to 8 bits, CMYK becomes RGB. A damaged or truncated
image is refused rather than padded with grey.
"""

from __future__ import annotations

import io
import warnings

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps

from input_pipeline.records import BadRecord, Reason

MAX_PIXELS = 64_000_000
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
_ORIENTATION = 0x0112
# The one limit is decode_image's own max_pixels, read from the header.
Image.MAX_IMAGE_PIXELS = None
warnings.filterwarnings("ignore", module=r"PIL\.")  # of odd EXIF and the like: the pixels are what counts


def decode_image(data: bytes, max_pixels: int = MAX_PIXELS) -> UInt8[np.ndarray, "height width 3"]:
    """Decode one image at its full size; see `decode_rgb` for what is raised."""
    return np.asarray(decode_rgb(data, max_pixels))


def decode_rgb(data: bytes, max_pixels: int = MAX_PIXELS, minimum_side: int = 0) -> Image.Image:
    """Decode one image to Pillow's RGB, from which the views resize without another copy.

    Args:
      data: the encoded bytes.
      max_pixels: refuse, from the header, what is larger.
      minimum_side: if positive, a JPEG may come out scaled down by 2, 4 or 8 as long as both its sides stay
        at least this long; decoding a large photograph then costs a fraction.

    Raises:
      BadRecord: the data are no image, are damaged, or are larger than max_pixels.
    """
    if not data:
        raise BadRecord(Reason.MISSING_IMAGE, "the image has no bytes")
    image = _open(data, max_pixels)
    try:
        if minimum_side and image.format == "JPEG" and min(image.size) >= 2 * minimum_side:
            image.draft(None, (minimum_side, minimum_side))
        image.load()
        return to_rgb(image)
    except Exception as error:  # decoders raise nearly anything on damaged data
        raise BadRecord(Reason.UNDECODABLE, f"{image.format} image: {error}") from None


def to_rgb(image: Image.Image) -> Image.Image:
    """Any Pillow image, upright, flattened on white and in RGB."""
    return _flatten(_upright(image))


def _open(data: bytes, max_pixels: int) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(data), formats=_FORMATS)
    except Exception as error:
        detail = f"{len(data)} bytes starting {data[:8]!r} are no image ({type(error).__name__})"
        raise BadRecord(Reason.UNDECODABLE, detail) from None
    width, height = image.size
    if width * height > max_pixels:
        raise BadRecord(Reason.TOO_LARGE, f"{width}x{height} pixels are more than {max_pixels}")
    return image


def _upright(image: Image.Image) -> Image.Image:
    try:
        turned = image.getexif().get(_ORIENTATION, 1) in range(2, 9)
    except Exception:  # a corrupt EXIF block says nothing about the pixels
        return image
    return ImageOps.exif_transpose(image) if turned else image


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
    """Scale 16-bit grey, which Pillow's own conversion would clip to white."""
    values = np.asarray(image, np.float64)
    scale = 65535.0 if values.max(initial=0) > 255 or image.mode.startswith("I;16") else 255.0
    return Image.fromarray(np.clip(np.rint(values * (255.0 / scale)), 0, 255).astype(np.uint8))
