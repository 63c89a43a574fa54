"""Image Textualization's second half (Pi et al., 2024, arXiv 2406.07502): what was seen in regions, and where.

What a detector or a dense captioner saw comes as a file of {id, box, text}; a template writes what the paper's language
model wrote.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from input_pipeline.curation.step import Decision, Item, Step, Written
from input_pipeline.curation.text import content_words, texts_of
from input_pipeline.regions_by_id import RegionsById

_LARGE, _SMALL = 0.4, 0.05  # shares of the image from which, and below which, a region's size is said


class AddRegions(Step):
    """Writes a record's caption with a sentence for each region that it does not mention."""

    COLUMNS: ClassVar[Mapping[str, str]] = {"added": "int32", "bad_regions": "int32"}
    writes = True
    reads = ("captions",)

    def __init__(self, config: Mapping[str, Any], *, name: str, seed: int) -> None:
        """Opens the regions."""
        super().__init__(config, name=name, seed=seed)
        self._regions = RegionsById(config["regions"])

    def given(self) -> Any:
        """Returns a digest of the regions."""
        return self._regions.digest()

    def check_fits(self, source: str, ids: Sequence[str]) -> None:
        """Refuses regions of other images."""
        self._regions.check_fits(ids)

    def __call__(self, item: Item) -> Decision:
        """Adds the regions of the best scores, in their order."""
        captions = texts_of(item.record, self.config["kinds"])
        if not captions:
            return Decision("no text")
        regions, bad = self._regions.of(item.record.id)
        best = sorted(
            (region for region in regions if region[2] >= self.config["least_score"]), key=lambda one: -one[2]
        )
        mentioned, sentences = content_words(captions[0]), list[str]()
        for box, text, _ in best:
            if not content_words(text) <= mentioned and len(sentences) < self.config["most"]:
                sentences.append(_filled(self.config["template"], text, box))
                mentioned |= content_words(text)
        start = captions[0].rstrip(" .") if sentences else captions[0]
        text = ". ".join([start, *sentences]) + "." * bool(sentences)
        written = Written((text,), self.config["kind_written"], "template", self.config["template"])
        return Decision(scores={"added": len(sentences), "bad_regions": bad}, written=written)


def place_of(box: Sequence[float]) -> str:
    """Returns where a box lies, by its middle in thirds: 'at the top left', 'in the middle'."""
    across, down = ((box[axis] + box[axis + 2]) / 2 for axis in (0, 1))
    words = [*_third(down, "top", "bottom"), *_third(across, "left", "right")]
    return f"at the {' '.join(words)}" if words else "in the middle"


def size_of(box: Sequence[float]) -> str:
    """Returns whether a box is large or small, by its share of the image; '' in between."""
    area = (box[2] - box[0]) * (box[3] - box[1])
    return "large" if area >= _LARGE else "small" if area < _SMALL else ""


def _third(middle: float, first: str, last: str) -> list[str]:
    return [first] if middle < 1 / 3 else [last] if middle > 2 / 3 else []


def _filled(template: str, text: str, box: Sequence[float]) -> str:
    known = {"{size}": size_of(box), "{place}": place_of(box), "{text}": text}
    for part, value in known.items():
        template = template.replace(part, value)
    said = " ".join(template.split())
    return said[:1].upper() + said[1:]
