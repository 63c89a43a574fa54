"""Retrieval in both directions with any number of captions per image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from jaxtyping import Float, Int, Int64

from vlp.evaluation.figures import chance_median_rank, chance_within, share_within
from vlp.evaluation.protocols import Encoder, EvaluationSet, Evaluator
from vlp.evaluation.ranks import best_ranks


class Gallery(NamedTuple):
    """Who belongs to whom: `texts` are the distinct captions, `pairs` the (image, text) that go together.

    An equal caption of two images is one text: as a candidate it is right for both, since no model can
    tell the copies apart. As a query it is asked once for each image and has only that image as its answer.
    """

    images: int
    texts: list[str]
    pairs: Int64[np.ndarray, "pairs 2"]


def gallery(captions: Sequence[Sequence[str]]) -> Gallery:
    """Distinct captions in order of appearance, and their pairs with the images, sorted by image."""
    index: dict[str, int] = {}
    pairs = [
        (image, index.setdefault(text, len(index)))
        for image, own in enumerate(captions)
        for text in dict.fromkeys(own)
    ]
    return Gallery(len(captions), list(index), np.array(pairs, np.int64).reshape(-1, 2))


def retrieval_figures(
    images: Float[np.ndarray, "images dim"],
    texts: Float[np.ndarray, "texts dim"],
    pairs: Int[np.ndarray, "pairs 2"],
    ks: Sequence[int],
    *,
    block_size: int = 256,
) -> dict[str, float]:
    """`<direction>/recall@<k>` and `<direction>/median_rank` (from 1) for unit rows and (image, text) pairs.

    text_to_image asks every pair's text for that pair's image among all images; image_to_text asks every
    image that has a text for any of its texts among all texts.
    """
    asking, rows = np.unique(pairs[:, 0], return_inverse=True)
    own_image = np.stack([np.arange(len(pairs)), pairs[:, 0]], axis=1)
    own_texts = np.stack([rows, pairs[:, 1]], axis=1)
    found = best_ranks(texts[pairs[:, 1]], images, own_image, block_size=block_size)
    named = best_ranks(images[asking], texts, own_texts, block_size=block_size)
    return {**_summary("text_to_image", found, ks), **_summary("image_to_text", named, ks)}


def retrieval_chance(
    pairs: Int[np.ndarray, "pairs 2"], images: int, texts: int, ks: Sequence[int]
) -> dict[str, float]:
    """The same figures when every query orders its candidates at random."""
    _, own = np.unique(pairs[:, 0], return_counts=True)
    directions = (("text_to_image", [1], images), ("image_to_text", own.tolist(), texts))
    chance: dict[str, float] = {}
    for direction, right, candidates in directions:
        chance |= {f"{direction}/recall@{k}": chance_within(k, right, candidates) for k in ks}
        chance[f"{direction}/median_rank"] = chance_median_rank(right, candidates)
    return chance


@dataclass(frozen=True)
class Retrieval(Evaluator):
    """Recall at every k, and the median rank, of captions for images and of images for captions."""

    data: Mapping[str, EvaluationSet]
    every: int = 0
    final: bool = False
    sets: tuple[str, ...] = ()
    k: tuple[int, ...] = (1, 5, 10)
    prefix_token: str = ""

    name: ClassVar[str] = "retrieval"

    def __post_init__(self) -> None:
        if not self.k or min(self.k) < 1:
            raise ValueError(f"evaluators.retrieval.k is {self.k}: give one or more whole numbers from 1")

    def __call__(self, model: Encoder) -> dict[str, float]:
        figures: dict[str, float] = {}
        for name in self.sets:
            whole = self._gallery(name)
            images = model.encode_image_array(self.data[name].images)
            texts = model.encode_text(whole.texts, prefix=self.prefix_token)
            found = retrieval_figures(images, texts, whole.pairs, self.k)
            figures |= {f"{self.name}/{name}/{figure}": value for figure, value in found.items()}
        return figures

    def chance(self) -> dict[str, float]:
        chance: dict[str, float] = {}
        for name in self.sets:
            whole = self._gallery(name)
            found = retrieval_chance(whole.pairs, whole.images, len(whole.texts), self.k)
            chance |= {f"{self.name}/{name}/{figure}": value for figure, value in found.items()}
        return chance

    def _gallery(self, name: str) -> Gallery:
        whole = gallery(self.data[name].captions)
        if not whole.texts:
            raise ValueError(f"evaluation set {name!r} has no captions: take it out of {self.name}.sets")
        return whole


def _summary(direction: str, ranks: Int[np.ndarray, " q"], ks: Sequence[int]) -> dict[str, float]:
    recalls = {f"{direction}/recall@{k}": share_within(ranks, k) for k in ks}
    return {**recalls, f"{direction}/median_rank": float(np.median(ranks))}
