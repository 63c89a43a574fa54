"""One Record made ready to be written: its image no larger than needed, its bytes kept where they already fit."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace

from PIL import Image

from input_pipeline.decode import Picture, Pixels, open_picture
from input_pipeline.prepare.fingerprint import fingerprint
from input_pipeline.prepare.header import Header, read_header
from input_pipeline.records import BadRecord, Reason, Record
from input_pipeline.sources.array_record import decode_record, encode_record
from input_pipeline.views.bicubic import bicubic

_KEPT_FORMATS = ("JPEG", "PNG", "WEBP")  # all others are re-encoded
_MOST_CAPTIONS = 100  # of one record: beyond them an image is a placeholder, and each row would cost more
_METADATA_BYTES = 1 << 16  # beyond this and three bytes a pixel, what fills a file is not the image


@dataclass(frozen=True)
class Settings:
    """Holds what decides about the bytes that are written.

    Attributes:
      max_side: pixels of an image's longer side; larger images are scaled down, smaller ones stay.
      quality: of the JPEGs that are written, 1 to 100.
      duplicate_tolerance: of 255 levels, by how much the thumbnails of near-duplicates may differ; -1 keeps all.
      records_per_shard: records of a shard, but for the last one.
    """

    max_side: int
    quality: int
    duplicate_tolerance: int
    records_per_shard: int


@dataclass(frozen=True, slots=True)
class Converted:
    """A record as it will be written; `change` is what happened to its image, the size is what it was."""

    data: bytes
    fingerprint: bytes
    change: str  # unchanged, re-encoded or resized
    side: int
    captions: int
    bytes_before: int
    bytes_after: int


def convert(record: Record, settings: Settings) -> Converted:
    """Decodes (which finds the damage), shrinks what is too large, encodes where anything changed and bytes are saved.

    Raises:
      BadRecord: no usable image. What is said about it is no matter of this conversion.
    """
    if record.image is None:
        raise BadRecord(Reason.MISSING_IMAGE, f"record '{record.id}' has no image")
    picture, header = open_picture(record.image), read_header(record.image)
    side = max(picture.width, picture.height)
    if header is None:
        raise BadRecord(Reason.UNDECODABLE, f"record '{record.id}' has an image of an unknown format")
    # A large JPEG is decoded at a fraction of its size, with half as many pixels again as the resize needs.
    pixels, _ = picture.reduced(max(1.0, side / (1.2 * settings.max_side)))
    change = _change(record.image, header, settings.max_side)
    if change == "resized":
        pixels = _shrink(pixels, picture, settings.max_side)
    data = record.image if change == "unchanged" else _encode(pixels, settings.quality)
    if change == "resized" and len(data) >= len(record.image) and _is_kept(record.image, header):
        change, data = "unchanged", record.image  # smaller only in pixels: a second compression gains nothing
    return Converted(
        data=encode_record(replace(record, image=data)),
        fingerprint=fingerprint(Image.fromarray(pixels)),
        change=change,
        side=side,
        captions=len(record.captions),
        bytes_before=len(record.image),
        bytes_after=len(data),
    )


def joined(one: Converted, other: Converted) -> Converted | None:
    """Puts what two rows say of one image into one record, as a table with a row for each caption means it.

    Returns:
      The first record with the captions and tags of both; None where these are two images, or what else is said
      about them differs.
    """
    if one.fingerprint != other.fingerprint or one.captions > _MOST_CAPTIONS:
        return None
    first, second = decode_record(one.data), decode_record(other.data)
    captions = (*first.captions, *(caption for caption in second.captions if caption not in first.captions))
    tags = tuple(dict.fromkeys(first.tags + second.tags))
    both = replace(first, captions=captions, tags=tags)
    if both != replace(second, id=first.id, captions=captions, tags=tags):
        return None
    return replace(one, data=encode_record(both), captions=len(captions))


def _change(data: bytes, header: Header, max_side: int) -> str:
    if max(header.width, header.height) > max_side:
        return "resized"
    return "unchanged" if _is_kept(data, header) else "re-encoded"


def _is_kept(data: bytes, header: Header) -> bool:
    """Whether an image may stay as it is: it shows what it stores, in a format of few surprises, and nothing else."""
    padded = len(data) > 3 * header.width * header.height + _METADATA_BYTES
    return header.plain and header.format in _KEPT_FORMATS and not padded


def _shrink(pixels: Pixels, picture: Picture, max_side: int) -> Pixels:
    scale = max_side / max(picture.width, picture.height)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    return bicubic(pixels, (0.0, 0.0, float(pixels.shape[1]), float(pixels.shape[0])), size)


def _encode(pixels: Pixels, quality: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
