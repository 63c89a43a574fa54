"""Pictures of another source in other colours and textures: what is synthetic about them is what the name says.

The path is that of the other source, whose format is guessed. Shapes stay: grey values of a picture are painted anew,
from a palette of four random colours, under random waves. Captions, tags, labels and ids stay as they are; the record's
`source` is 'rerendered'. A picture is a function of its index alone, so any process paints the same bytes.

`beside_rerendered` has every record twice, as it is and painted anew, and its label says which: 'real' or 'rerendered'.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from jaxtyping import UInt8

from input_pipeline.decode import MAX_PIXELS, open_picture
from input_pipeline.records import BadRecord, Reason, Record
from input_pipeline.sources import open_source
from input_pipeline.sources.fractals import ppm

FORMATS = {"rerendered": "RerenderedSource", "beside_rerendered": "BesideRerendered"}

COLOURS = 4  # of a palette
WAVES, STRENGTH = (2.0, 24.0), 0.35  # across a picture; share of the values that they take away
_GREY = np.array([0.299, 0.587, 0.114], np.float32)
_KEY = 0x9A1217


class RerenderedSource:
    """The records of another source, painted anew."""

    def __init__(self, path: str, columns: Mapping[str, str] | None = None) -> None:
        """Opens the other source.

        Args:
          path: of it.
          columns: of it.

        Raises:
          ValueError: it cannot be opened.
        """
        self._source = open_source({"path": path, "columns": columns or {}})

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> Record:
        record = self._source[index]
        if record.image is None:
            raise BadRecord(Reason.MISSING_IMAGE, f"record '{record.id}' has no image")
        pixels = open_picture(record.image, MAX_PIXELS).pixels()
        dice = np.random.Generator(np.random.Philox(key=np.array([_KEY, index], np.uint64)))
        return dataclasses.replace(record, image=ppm(repainted(pixels, dice)), source="rerendered")


class BesideRerendered(RerenderedSource):
    """The records of another source, each as it is and then painted anew, labelled so."""

    def __len__(self) -> int:
        return 2 * super().__len__()

    def __getitem__(self, index: int) -> Record:
        if index % 2:
            return dataclasses.replace(super().__getitem__(index // 2), label="rerendered")
        return dataclasses.replace(self._source[index // 2], label="real")


def repainted(
    pixels: UInt8[np.ndarray, "height width 3"], dice: np.random.Generator
) -> UInt8[np.ndarray, "height width 3"]:
    """Returns a picture with the same grey values in a random palette, under random waves."""
    height, width, _ = pixels.shape
    grey = pixels.astype(np.float32) @ _GREY / 255
    palette, places = dice.random((COLOURS, 3)), np.linspace(0, 1, COLOURS)
    painted = np.stack([np.interp(grey, places, palette[:, channel]) for channel in range(3)], axis=2)
    angle, waves, phase = dice.uniform(0, np.pi), dice.uniform(*WAVES), dice.uniform(0, 2 * np.pi)
    rows, columns = np.arange(height)[:, None] / height, np.arange(width) / width
    along = np.cos(angle) * rows + np.sin(angle) * columns
    light = 1 - STRENGTH * (0.5 + 0.5 * np.sin(2 * np.pi * waves * along + phase))
    return (255 * painted * light[:, :, None]).astype(np.uint8)
