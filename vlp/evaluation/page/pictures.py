"""Pictures inside the page, as data: small ones, and not too many of them."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import UInt8

from input_pipeline.views.patches import picture_of
from vlp.evaluation.page.html import Markup, element

SIDE = 192  # pixels of the longer side, at most
MOST_PICTURES, MOST_BYTES = 1000, 8_000_000
_QUALITY = 85


@dataclass
class Album:
    """Draws pictures until the page holds enough; what is left out is counted, and the page says so."""

    pictures: int = 0
    size: int = 0
    left_out: int = 0
    _known: dict[bytes, str] = field(default_factory=dict)

    def picture(self, pixels: UInt8[np.ndarray, "height width 3"], alt: str) -> Markup:
        """Returns an `img` with its pixels inside, or a note in its place.

        Args:
          pixels: of the picture; or a record of the patches and the grid that it was cut into.
          alt: what stands for it.
        """
        if self.pictures >= MOST_PICTURES or self.size >= MOST_BYTES:
            self.left_out += 1
            return element("span", f"({alt})", class_="absent")
        pixels = np.ascontiguousarray(picture_of(pixels))
        address = self._address(pixels)
        self.pictures += 1
        self.size += len(address)
        height, width = pixels.shape[:2]
        return element("img", src=address, alt=alt, width=width, height=height, decoding="async")

    def _address(self, pixels: UInt8[np.ndarray, "height width 3"]) -> str:
        key = pixels.tobytes() + bytes(str(pixels.shape), "ascii")
        if key not in self._known:
            self._known[key] = f"data:image/webp;base64,{base64.b64encode(encoded(pixels)).decode()}"
        return self._known[key]


def encoded(pixels: UInt8[np.ndarray, "height width 3"]) -> bytes:
    """Encodes a picture as WebP of at most SIDE pixels on its longer side."""
    from PIL import Image

    picture = Image.fromarray(pixels)
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=_QUALITY, method=4)
    return buffer.getvalue()
