"""What an image's first bytes say, without decoding it."""

from __future__ import annotations

import io
from typing import NamedTuple

from PIL import Image

_ORIENTATION = 0x0112


class Header(NamedTuple):
    """Format by Pillow's name, size in pixels as stored, and whether the stored image is what is to be seen."""

    format: str
    width: int
    height: int
    plain: bool  # upright and one frame only


def read_header(data: bytes) -> Header | None:
    """Returns the header of encoded bytes; None where they are no image."""
    try:
        image = Image.open(io.BytesIO(data))
        upright = image.getexif().get(_ORIENTATION, 1) not in range(2, 9)
        return Header(image.format or "", *image.size, upright and getattr(image, "n_frames", 1) == 1)
    except Exception:  # decoders raise nearly anything on damaged data
        return None
