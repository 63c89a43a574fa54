"""The best of several captions of an image by their cosine: RS5M's ranking (Zhang et al., 2023, arXiv 2306.11300)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from input_pipeline.curation import Decision, Item, Written
from input_pipeline.curation.text import texts_of
from vlp.curation.embedded import NO_TEXT, EmbeddedStep, ranked


class BestCaptions(EmbeddedStep):
    """Writes the captions of a record that are nearest to its image, the nearest first."""

    COLUMNS: ClassVar[Mapping[str, str]] = {"score": "float32", "candidates": "int32"}
    reads = ("captions",)
    writes = True

    def __call__(self, item: Item) -> Decision:
        """Ranks the candidates."""
        image = self.image_of(item)
        if image is None:
            return self.without_image(item)
        scores = self.scored(image, texts_of(item.record, self.config["kinds"]))
        if not scores:
            return Decision(NO_TEXT)
        best = ranked(scores)[: self.config["top"]]
        figures = {"score": scores[best[0]], "candidates": len(scores)}
        return Decision(scores=figures, written=Written(tuple(best), self.config["kind_written"], self.by))
