"""Pairs by the cosine of image and text: CLIP-score filtering (Schuhmann et al., 2021, arXiv 2111.02114).

DataComp (Gadre et al., 2023, arXiv 2304.14108) keeps the best 30 % by CLIP ViT-L/14, its LAION filter what reaches 0.28
by ViT-B/32.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float32

from input_pipeline.curation import Decision, Item
from input_pipeline.curation.text import texts_of
from input_pipeline.errors import UserError
from vlp.curation.embedded import NO_TEXT, EmbeddedStep

_QUANTILES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)


class ClipScore(EmbeddedStep):
    """Drops records whose image and text are far apart."""

    COLUMNS: ClassVar[Mapping[str, str]] = {"score": "float32"}
    reads = ("captions",)

    def __init__(self, config: Mapping[str, Any], *, name: str, seed: int) -> None:
        """Knows a threshold only where it is given."""
        super().__init__(config, name=name, seed=seed)
        self.surveys = bool(config["keep"])
        self._plan: dict[str, Any] = {"threshold": config["threshold"]}

    def survey(self, items: Sequence[Item]) -> Any:
        """Scores the records of a slice."""
        return [score for item in items if isinstance(score := self._score(item), float)]

    def settle(self, surveys: Iterator[Any]) -> Any:
        """Finds the score that the wanted share of those that have one reaches; equals stay together."""
        found = [np.zeros(0, np.float32), *(np.array(survey, np.float32) for survey in surveys)]
        scores: Float32[np.ndarray, " n"] = np.sort(np.concatenate(found))
        if not len(scores):
            raise UserError(f"curation.{self.name}: no record has both an image and a text embedding")
        kept = max(1, round(self.config["keep"] * len(scores)))
        quantiles = {f"{share:.0%}": float(scores[round(share * (len(scores) - 1))]) for share in _QUANTILES}
        return {"threshold": float(scores[-kept]), "scored": len(scores), "quantiles": quantiles}

    def begin(self, plan: Any) -> None:
        """Takes the threshold."""
        self._plan = plan or self._plan

    def __call__(self, item: Item) -> Decision:
        """Compares a record's score with the threshold."""
        score = self._score(item)
        if isinstance(score, str):
            return Decision(score)
        low = score < self._plan["threshold"]
        return Decision("low score" if low else "", f"{score:.4f}", {"score": score})

    def facts(self) -> Mapping[str, Any]:
        """Returns the threshold, and where it was found the quantiles of the scores."""
        return self._plan

    def _score(self, item: Item) -> float | str:
        """The score of the first or best text, or why there is none."""
        image = self.image_of(item)
        if image is None:
            return self.without_image(item).reason
        scores = list(self.scored(image, texts_of(item.record, self.config["kinds"])).values())
        if not scores:
            return NO_TEXT
        return max(scores) if self.config["of"] == "best" else scores[0]
