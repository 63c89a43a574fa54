"""Pictures of four pictures of another source, two by two: where each of them lies is known, for nothing.

The path is that of the other source, whose format is guessed. Picture i shows record i of it and three others of other
labels, chosen and placed by i alone, so any process makes the same bytes and an evaluation set is always the same. Each
is padded to a square of one side. The four boxes are the record's regions, with label, tags and first caption of what
they show; its tags are those of all four, and its caption says what is where. A record without a label or a caption
still makes a region.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import UInt8

from input_pipeline.decode import MAX_PIXELS, Picture, open_picture
from input_pipeline.errors import UserError
from input_pipeline.records import BadRecord, Caption, Reason, Record, Region
from input_pipeline.sources import open_source
from input_pipeline.sources.fractals import ppm
from input_pipeline.views.class_names import category_name
from input_pipeline.views.resize import resize, whole_box
from input_pipeline.views.text import LANGUAGES

FORMATS = {"collages": "CollageSource"}

PLACES = ("at the top left", "at the top right", "at the bottom left", "at the bottom right")
BOXES = ((0.0, 0.0, 0.5, 0.5), (0.5, 0.0, 1.0, 0.5), (0.0, 0.5, 0.5, 1.0), (0.5, 0.5, 1.0, 1.0))
LARGEST = 256  # pixels of a quadrant's side
_TRIES, _KEY = 32, 0xC011A6E


class CollageSource:
    """As many collages as the other source has records."""

    def __init__(self, path: str, columns: Mapping[str, str] | None = None) -> None:
        """Opens the other source.

        Args:
          path: of it.
          columns: of it.

        Raises:
          ValueError: it cannot be opened, or has fewer than four records.
        """
        self._source = open_source({"path": path, "columns": columns or {}})
        if len(self._source) < len(BOXES):
            raise UserError(
                f"collages are of {len(BOXES)} records, and {path} has {len(self._source)}: add some"
            )

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> Record:
        dice = np.random.Generator(np.random.Philox(key=np.array([_KEY, index], np.uint64)))
        shown = self._four(index, dice)
        pictures = [_picture(record) for record in shown]
        side = min(LARGEST, max(max(one.width, one.height) for one in pictures))
        regions = tuple(_region(record, box) for record, box in zip(shown, BOXES, strict=True))
        said = [f"{one.text} {place}" for one, place in zip(regions, PLACES, strict=True) if one.text]
        tags = tuple(dict.fromkeys(tag for record in shown for tag in record.tags))
        return Record(
            str(index),
            ppm(_joined([_square(one, side) for one in pictures])),
            (Caption(", ".join(said), "collage", "en"),) if said else (),
            tags,
            source="collages",
            regions=regions,
        )

    def ids(self) -> Iterator[str]:
        """Yields the id of every collage, its number."""
        return map(str, range(len(self)))

    def digest(self) -> str:
        """Returns a few letters for what the other source holds."""
        own: str = getattr(self._source, "digest", lambda: "")()
        return own

    def _four(self, index: int, dice: np.random.Generator) -> list[Record]:
        """Record `index`, three others of other labels, in the order of their quadrants.

        Raises:
          BadRecord: it is one, or too many others are or have its label.
        """
        found, numbers = [self._source[index]], {index}
        for other in dice.integers(len(self._source), size=_TRIES).tolist():
            if len(found) == len(BOXES):
                break
            record = None if other in numbers else self._readable(other)
            numbers.add(other)
            if record is not None and not any(_alike(record, one) for one in found):
                found.append(record)
        if len(found) < len(BOXES):
            raise BadRecord(Reason.UNREADABLE, f"of {_TRIES} records no three go with record {index}")
        return [found[place] for place in dice.permutation(len(BOXES))]

    def _readable(self, index: int) -> Record | None:
        try:
            record = self._source[index]
            _picture(record)
        except BadRecord:
            return None
        return record


def _alike(one: Record, other: Record) -> bool:
    """Whether two records may show the same: their labels or their texts are the same."""
    same_text = bool(_text(one)) and _text(one) == _text(other)
    return same_text or (bool(one.label) and one.label == other.label)


def _text(record: Record) -> str:
    own = [caption.text for caption in record.captions if caption.language in LANGUAGES]
    return own[0] if own else category_name(record.label)


def _region(record: Record, box: tuple[float, float, float, float]) -> Region:
    return Region(box, _text(record), record.label, record.tags)


def _picture(record: Record) -> Picture:
    if record.image is None:
        raise BadRecord(Reason.MISSING_IMAGE, f"record '{record.id}' has no image")
    return open_picture(record.image, MAX_PIXELS)


def _square(picture: Picture, side: int) -> UInt8[np.ndarray, "side side 3"]:
    return resize(picture.pixels(), whole_box(picture.width, picture.height, "pad", side), side)


def _joined(parts: Sequence[UInt8[np.ndarray, "side side 3"]]) -> UInt8[np.ndarray, "both both 3"]:
    upper, lower = (np.concatenate(parts[at : at + 2], axis=1) for at in (0, 2))
    return np.concatenate([upper, lower], axis=0)
