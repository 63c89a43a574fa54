"""Exhibits as pictures, for what shows pictures alone, as TensorBoard does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import UInt8

from input_pipeline.views.patches import picture_of
from vlp.evaluation.exhibits import (
    Boxes,
    Confusion,
    Exhibit,
    Map,
    Picture,
    Reliability,
    ScoreMaps,
    Search,
    Searches,
)
from vlp.evaluation.page.boxes import COLOURS, drawn
from vlp.evaluation.page.confusion import MOST_CLASSES, most_confused
from vlp.evaluation.page.diagrams import BINS
from vlp.evaluation.page.html import shorten
from vlp.evaluation.page.searches import overlay

TILE, MARGIN, MOST_ROWS, MOST_FOUND, LETTERS = 96, 4, 8, 5, 64
SIDE = 320  # of a diagram
RIGHT, WRONG, WHITE, BLACK, GREY = (24, 128, 56), (200, 40, 40), (255, 255, 255), (0, 0, 0), (150, 150, 150)


def pictures(exhibits: Mapping[str, Sequence[Exhibit]]) -> Iterator[tuple[str, UInt8[np.ndarray, "h w 3"]]]:
    """Yields a picture for each exhibit that is one, under 'evaluator/title'; tables and bars are none.

    Args:
      exhibits: by the name of their evaluator.
    """
    for name, shown in exhibits.items():
        for exhibit in shown:
            picture = _picture(exhibit)
            if picture is not None:
                yield f"{name}/{exhibit.title}", picture


def _picture(exhibit: Exhibit) -> UInt8[np.ndarray, "h w 3"] | None:
    match exhibit:
        case Searches() if exhibit.searches:
            return _stacked([_search(one) for one in exhibit.searches[:MOST_ROWS]])
        case ScoreMaps() if exhibit.maps:
            return _beside(
                [overlay(one.picture, np.asarray(one.scores, float)) for one in exhibit.maps[:MOST_ROWS]]
            )
        case Boxes() if exhibit.pictures:
            return _beside([drawn(one) for one in exhibit.pictures[:MOST_ROWS]])
        case Confusion():
            return _confusion(exhibit)
        case Reliability() if len(exhibit.right):
            return _reliability(exhibit)
        case Map() if len(exhibit.points):
            return _map(exhibit)
    return None


def _search(one: Search) -> UInt8[np.ndarray, "h w 3"]:
    """The query, and what was found for it in frames of green where it is right and red where it is wrong."""
    found = zip(one.found[:MOST_FOUND], one.right, strict=False)
    cells = [_tile(one.query, BLACK), *(_tile(item, RIGHT if right else WRONG) for item, right in found)]
    return _beside(cells)


def _tile(item: str | Picture, colour: tuple[int, int, int]) -> UInt8[np.ndarray, "h w 3"]:
    from PIL import Image, ImageDraw

    tile = Image.new("RGB", (TILE, TILE), WHITE)
    pen = ImageDraw.Draw(tile)
    if isinstance(item, str):
        words = shorten(item, LETTERS)
        lines = [words[start : start + 15] for start in range(0, len(words), 15)]
        # Pillow's own font has Latin letters alone.
        text = "\n".join(lines).encode("latin-1", "replace").decode("latin-1")
        pen.multiline_text((6, 6), text, fill=BLACK)
    else:
        image = Image.fromarray(np.ascontiguousarray(picture_of(item)))
        image.thumbnail((TILE - 8, TILE - 8))
        tile.paste(image, ((TILE - image.width) // 2, (TILE - image.height) // 2))
    pen.rectangle((0, 0, TILE - 1, TILE - 1), outline=colour, width=3)
    return np.asarray(tile)


def _beside(parts: Sequence[UInt8[np.ndarray, "_h _w 3"]]) -> UInt8[np.ndarray, "h w 3"]:
    return np.ascontiguousarray(_stacked([part.swapaxes(0, 1) for part in parts]).swapaxes(0, 1))


def _stacked(parts: Sequence[UInt8[np.ndarray, "_h _w 3"]]) -> UInt8[np.ndarray, "h w 3"]:
    width = max(part.shape[1] for part in parts)
    padded = [
        np.pad(part, ((0, MARGIN), (0, width - part.shape[1]), (0, 0)), constant_values=255) for part in parts
    ]
    return np.concatenate(padded)


def _confusion(exhibit: Confusion) -> UInt8[np.ndarray, "h w 3"] | None:
    """Shares of each class's row: green where they are right, red where they are not; paler where they are small."""
    counts = np.asarray(exhibit.counts)
    chosen = most_confused(counts, MOST_CLASSES)
    if not len(chosen):
        return None
    shares = counts[np.ix_(chosen, chosen)] / np.maximum(counts[chosen].sum(axis=1, keepdims=True), 1)
    ends = np.where(np.eye(len(chosen), dtype=bool)[..., None], RIGHT, WRONG)
    cells = 255 + np.sqrt(shares)[..., None] * (ends - 255.0)
    side = max(1, SIDE // len(chosen))
    return np.kron(cells.round().astype(np.uint8), np.ones((side, side, 1), np.uint8))


def _reliability(exhibit: Reliability) -> UInt8[np.ndarray, "h w 3"]:
    """The share that is right in each tenth of confidence, as bars beside the line where both agree."""
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (SIDE, SIDE), WHITE)
    pen = ImageDraw.Draw(image)
    number = np.minimum((np.asarray(exhibit.confidence) * BINS).astype(int), BINS - 1)
    for one in range(BINS):
        own = np.asarray(exhibit.right)[number == one]
        if len(own):
            left, top = one * SIDE // BINS, round((1 - own.mean()) * (SIDE - 1))
            pen.rectangle((left + 2, top, left + SIDE // BINS - 3, SIDE - 1), fill=COLOURS[1])
    pen.line((0, SIDE - 1, SIDE - 1, 0), fill=GREY, width=2)
    return np.asarray(image)


def _map(exhibit: Map) -> UInt8[np.ndarray, "h w 3"]:
    """Points in the colours of the most frequent classes, and in grey."""
    from PIL import Image, ImageDraw

    points = np.asarray(exhibit.points, float)
    low, high = points.min(axis=0), points.max(axis=0)
    places = 8 + (points - low) / np.where(high > low, high - low, 1) * (SIDE - 16)
    names, counts = np.unique(np.asarray(exhibit.classes), return_counts=True)
    frequent = {names[place]: COLOURS[rank] for rank, place in enumerate(np.argsort(-counts)[: len(COLOURS)])}
    image = Image.new("RGB", (SIDE, SIDE), WHITE)
    pen = ImageDraw.Draw(image)
    for (x, y), name in zip(places, exhibit.classes, strict=True):
        pen.ellipse((x - 3, SIDE - y - 3, x + 3, SIDE - y + 3), fill=frequent.get(name, GREY))
    return np.asarray(image)
