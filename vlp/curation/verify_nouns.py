"""Image Textualization's first half (Pi et al., 2024, arXiv 2406.07502): mentions that an image does not support.

The paper asks a detector; here a mention stands if a region of the image says it, or if "a photo of NOUN" is near
enough to the image.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar

from input_pipeline.curation import Decision, Item, Written
from input_pipeline.curation.entries import Matcher
from input_pipeline.curation.text import mentions, plain, texts_of
from input_pipeline.labels import read_labels
from input_pipeline.regions_by_id import RegionsById
from vlp.curation.embedded import EmbeddedStep

_PARTS = re.compile(r"([,;:])")
# Cut with a mention: what leads to it. Cut from the ends of what is left: what leads nowhere.
_BEFORE = re.compile(r"(?:\b(?:a|an|the|and|or|with|of|its|his|her|their)\s+)+$", re.IGNORECASE)
_LOOSE = re.compile(r"^(?:and|or|with|of)\b|\b(?:a|an|the|and|or|with|of|in|on|at|by)$", re.IGNORECASE)


class VerifyNouns(EmbeddedStep):
    """Writes a record's captions without the nouns that its image is far from."""

    COLUMNS: ClassVar[Mapping[str, str]] = {"mentions": "int32", "removed": "int32", "lowest": "float32"}
    reads = ("captions",)
    writes = True

    def __init__(self, config: Mapping[str, Any], *, name: str, seed: int) -> None:
        """Reads the nouns, and opens the regions, if some are named."""
        super().__init__(config, name=name, seed=seed)
        self._nouns = list(
            dict.fromkeys(" ".join(noun.lower().split()) for noun in read_labels(config["nouns"]))
        )
        self._regions = RegionsById(config["regions"]) if config["regions"] else None
        self._matcher: Matcher | None = None

    def texts(self) -> Sequence[str]:
        """Returns every noun in the template."""
        return [self._asked(noun) for noun in self._nouns]

    def given(self) -> Any:
        """Returns digests of embeddings, nouns and regions."""
        return {**super().given(), "regions": self._regions.digest() if self._regions else ""}

    def check_fits(self, source: str, ids: Sequence[str]) -> None:
        """Refuses embeddings and regions of other images."""
        super().check_fits(source, ids)
        if self._regions:
            self._regions.check_fits(ids)

    def begin(self, plan: Any) -> None:
        """Builds the search for the nouns."""
        self._matcher = Matcher([plain(noun) for noun in self._nouns])

    def __call__(self, item: Item) -> Decision:
        """Cuts the mentions that neither a region nor the image supports."""
        captions = texts_of(item.record, self.config["kinds"])
        image = self.image_of(item)
        if not captions:
            return Decision("no text")
        if image is None:
            return self.without_image(item)
        found = {noun for text in captions for noun in self._found(text)}
        scores = self._scores(item, image, sorted(found))
        false = {noun for noun, score in scores.items() if score < self.config["threshold"]}
        texts = tuple(dict.fromkeys(filter(None, (without(text, false, found) for text in captions))))
        figures = {
            "mentions": len(found),
            "removed": len(false),
            "lowest": min(scores.values(), default=None),
        }
        if not texts:
            return Decision("nothing left", "; ".join(captions), figures)
        return Decision(
            scores=figures,
            written=Written(texts, self.config["kind_written"], self.by, self.config["template"]),
        )

    def facts(self) -> Mapping[str, Any]:
        """Returns how many nouns there are."""
        return {"nouns": len(self._nouns)}

    def _asked(self, noun: str) -> str:
        return str(self.config["template"]).replace("{}", noun)

    def _found(self, text: str) -> list[str]:
        """The nouns that a text mentions, without those that are part of a longer one wherever they stand."""
        assert self._matcher is not None, "begin comes first"
        some = [self._nouns[number] for number in self._matcher(plain(text))]
        return list(dict.fromkeys(noun for _, _, noun in mentions(text.lower(), some)))

    def _scores(self, item: Item, image: Any, nouns: Sequence[str]) -> dict[str, float]:
        """The cosine of each noun; 1 where a region says it."""
        seen = [text for _, text, _ in self._regions.of(item.record.id)[0]] if self._regions else []
        scores = self.scored(image, [self._asked(noun) for noun in nouns])
        return {
            noun: 1.0 if any(mentions(text, [noun]) for text in seen) else scores[self._asked(noun)]
            for noun in nouns
        }


def without(text: str, false: set[str], known: Collection[str]) -> str:
    """Returns a text without mentions of some nouns, without what led to them, and without parts that say nothing more.

    Parts stand between commas, semicolons and colons. A text that mentions none stays as it is.

    Args:
      text: of a caption.
      false: nouns that go.
      known: all nouns that the text may mention: within a longer one, a noun is not meant.
    """
    names = sorted({*false, *known})
    if not any(noun in false for _, _, noun in mentions(text, names)):
        return text
    pieces = _PARTS.split(text)
    kept: list[str] = []
    for separator, part in zip(["", *pieces[1::2]], pieces[::2], strict=True):
        left = _cut(part, [one for one in mentions(part, names) if one[2] in false])
        if left:
            kept += [separator if kept else "", " " if kept else "", left]
    return "".join(kept)


def _cut(part: str, found: Sequence[tuple[int, int, str]]) -> str:
    """A part without mentions; as it is, without white space around it, where there is none."""
    for first, end, _ in reversed(found):
        part = f"{_BEFORE.sub('', part[:first])} {part[end:]}"
    part = " ".join(part.split())
    while found and (shorter := _LOOSE.sub("", part).strip(" .-")) != part:
        part = shorter
    return part
