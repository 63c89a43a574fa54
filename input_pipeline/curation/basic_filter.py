"""DataComp's basic filter (Gadre et al., 2023, arXiv 2304.14108, section 3.4): length, language, size and shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from input_pipeline.curation.step import Decision, Item, Step
from input_pipeline.prepare.header import read_header
from input_pipeline.records import Caption


class BasicFilter(Step):
    """Drops records without any text that is long enough and of a wanted language, and small or narrow images."""

    def __init__(self, config: Mapping[str, Any], *, name: str, seed: int) -> None:
        """Reads images only if something is asked of them."""
        super().__init__(config, name=name, seed=seed)
        self.reads = ("captions", "image") if config["side_least"] or config["aspect_most"] else ("captions",)

    def __call__(self, item: Item) -> Decision:
        """Judges the texts, and then the image."""
        captions = [
            one
            for one in item.record.captions
            if not self.config["kinds"] or one.kind in self.config["kinds"]
        ]
        if not captions:
            return Decision("no text")
        reasons = [self._of_text(caption) for caption in captions]
        if all(reasons):
            return Decision(reasons[0], captions[0].text)
        return self._of_image(item)

    def _of_text(self, caption: Caption) -> str:
        if len(caption.text.split()) <= self.config["words_above"]:
            return "few words"
        if len(caption.text) <= self.config["characters_above"]:
            return "few characters"
        wanted = self.config["languages"]
        if wanted and caption.language not in wanted:
            return "another language"
        return "other letters" if latin_share(caption.text) < self.config["latin"] else ""

    def _of_image(self, item: Item) -> Decision:
        side, aspect = self.config["side_least"], self.config["aspect_most"]
        if not side and not aspect:
            return Decision()
        header = read_header(item.record.image or b"")
        if header is None:
            return Decision("no usable image")
        short, long = sorted((header.width, header.height))
        said = f"{header.width}x{header.height}"
        if short < side:
            return Decision("small image", said)
        return Decision("narrow image" if aspect and long > aspect * short else "", said)


def latin_share(text: str) -> float:
    """Returns which share of a text's letters are a to z, capitals or not; 1 of a text without letters."""
    letters = [letter for letter in text if letter.isalpha()]
    return sum(letter.isascii() for letter in letters) / len(letters) if letters else 1.0
