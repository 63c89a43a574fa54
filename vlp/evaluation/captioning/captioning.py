"""How near what a model writes is to what people wrote, and how likely it finds that."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Float64

from input_pipeline.errors import UserError
from vlp.evaluation.cache import LatestModel
from vlp.evaluation.captioning.bleu import bleu
from vlp.evaluation.captioning.cider import cider
from vlp.evaluation.captioning.words import words
from vlp.evaluation.exhibits import Exhibit, Table
from vlp.evaluation.protocols import Encoder, OnSets

SHOWN = 12  # captions in the table


@dataclass(frozen=True)
class Captioning(OnSets):
    """BLEU-4 and CIDEr of written captions against an image's own, and the perplexity of these.

    CIDEr is COCO's, whose best is 10, and which tables show times 100 as papers do. Perplexity is that of a
    token of the model's own tokenizer, the end included: those of models with other tokenizers do not compare.

    Attributes:
      part: which writes.
      beams: texts that it keeps at a time.
    """

    reads: ClassVar[frozenset[str]] = frozenset({"image"})

    part: str
    beams: int

    def __call__(self, model: Encoder) -> dict[str, float]:
        figures: dict[str, float] = {}
        for name in self.sets:
            where, written = f"{self.name}/{name}/", self._written(model, name)
            figures |= self._figures(name, written)
            figures[f"{where}perplexity"] = self._perplexity(model, name)
        return figures

    def check(self) -> None:
        """Refuses a set without captions."""
        for name in self.sets:
            self._described(name)

    def chance(self) -> dict[str, float]:
        """Returns the figures of captions that are true, but of another image: one half of the set further on."""
        figures: dict[str, float] = {}
        for name in self.sets:
            own = [captions[0] for _, captions in self._described(name)]
            half = len(own) // 2
            figures |= self._figures(name, own[half:] + own[:half])
        return figures

    def outcomes(self, model: Encoder) -> dict[str, Float[np.ndarray, " queries"]]:
        """Tells CIDEr of every image that has captions."""
        return {
            f"{self.name}/{name}/cider": self._cider(name, self._written(model, name)) for name in self.sets
        }

    def exhibits(self, model: Encoder) -> Iterable[Exhibit]:
        """Yields some captions, as they were written and as they are there."""
        for name in self.sets:
            rows = self._described(name)
            written, ids = self._written(model, name), self.data[name].ids
            step = -(-len(rows) // SHOWN)
            table = [
                [str(ids[row]), text, captions[0]]
                for (row, captions), text in list(zip(rows, written, strict=True))[::step]
            ]
            yield Table(f"{name}: captions", ["image", "written", "there"], table)

    def _described(self, name: str) -> list[tuple[int, Sequence[str]]]:
        """The images that have captions, and these."""
        found = [(row, own) for row, own in enumerate(self.data[name].captions) if len(own)]
        if not found:
            raise UserError(
                f"evaluation set {name!r} has no captions to compare with: leave it out of "
                f"evaluators.{self.name}.sets"
            )
        return found

    def _written(self, model: Encoder, name: str) -> list[str]:
        def write() -> list[str]:
            rows = [row for row, _ in self._described(name)]
            return model.captioner(self.part, self.beams).write(self.data[name].images[rows])

        return self._found.once(model, name, write)

    def _figures(self, name: str, written: Sequence[str]) -> dict[str, float]:
        where = f"{self.name}/{name}/"
        references = self._references(name)
        return {
            f"{where}bleu4": bleu([words(text) for text in written], references)[-1],
            f"{where}cider": float(self._cider(name, written).mean()),
        }

    def _cider(self, name: str, written: Sequence[str]) -> Float64[np.ndarray, " captions"]:
        return cider([words(text) for text in written], self._references(name))

    def _references(self, name: str) -> list[list[list[str]]]:
        return [[words(text) for text in own] for _, own in self._described(name)]

    def _perplexity(self, model: Encoder, name: str) -> float:
        pairs = [(row, text) for row, own in self._described(name) for text in own]
        images = self.data[name].images[[row for row, _ in pairs]]
        found = model.captioner(self.part, self.beams).likelihoods(images, [text for _, text in pairs])
        total, tokens = found.astype(np.float64).sum(axis=0)
        return float(np.exp(-total / tokens))

    @cached_property
    def _found(self) -> LatestModel:
        return LatestModel()
