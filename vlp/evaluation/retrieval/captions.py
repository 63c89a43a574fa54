"""Retrieval in both directions with any number of captions per image."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int, Int64

from input_pipeline.errors import UserError
from vlp.evaluation.cache import LatestModel
from vlp.evaluation.exhibits import Exhibit, Table
from vlp.evaluation.figures import chance_mean_rank, chance_median_rank, chance_within, share_within
from vlp.evaluation.protocols import Encoder, OnSets
from vlp.evaluation.retrieval.exhibits import language_table, pictures_of, searches
from vlp.evaluation.retrieval.galleries import (
    EVERY,
    Gallery,
    folds,
    in_language,
    languages_beside_english,
    whole_gallery,
)
from vlp.neighbours.ranks import best_ranks


def retrieval_ranks(
    images: Float[np.ndarray, "images dim"],
    texts: Float[np.ndarray, "texts dim"],
    pairs: Int[np.ndarray, "pairs 2"],
) -> dict[str, Int64[np.ndarray, " queries"]]:
    """Returns the rank (from 1) of every query's best right answer, by direction, for unit rows and (image, text)
    pairs.

    text_to_image asks every pair's text for that pair's image among all images; image_to_text asks every
    image that has a text for any of its texts among all texts.
    """
    asking, rows = np.unique(pairs[:, 0], return_inverse=True)
    own_image = np.stack([np.arange(len(pairs)), pairs[:, 0]], axis=1)
    own_texts = np.stack([rows, pairs[:, 1]], axis=1)
    return {
        "text_to_image": best_ranks(texts[pairs[:, 1]], images, own_image),
        "image_to_text": best_ranks(images[asking], texts, own_texts),
    }


def retrieval_figures(
    images: Float[np.ndarray, "images dim"],
    texts: Float[np.ndarray, "texts dim"],
    pairs: Int[np.ndarray, "pairs 2"],
    ks: Sequence[int],
) -> dict[str, float]:
    """Returns `<direction>/recall@<k>`, `median_rank` and `mean_rank` of `retrieval_ranks`, and `rsum`.

    `rsum` adds up the recalls of both directions (Faghri et al. 2018, VSE++, and all after it): shares here,
    as the recalls are, where papers add per cent.
    """
    return _figures(retrieval_ranks(images, texts, pairs), ks)


def _figures(
    ranks_by_direction: Mapping[str, Int64[np.ndarray, " queries"]], ks: Sequence[int]
) -> dict[str, float]:
    figures: dict[str, float] = {}
    for direction, ranks in ranks_by_direction.items():
        figures |= {f"{direction}/recall@{k}": share_within(ranks, k) for k in ks}
        figures[f"{direction}/median_rank"] = float(np.median(ranks))
        figures[f"{direction}/mean_rank"] = float(np.mean(ranks))
    return with_rsum(figures)


def retrieval_chance(
    pairs: Int[np.ndarray, "pairs 2"], images: int, texts: int, ks: Sequence[int]
) -> dict[str, float]:
    """Returns the same figures when every query orders its candidates at random."""
    _, own = np.unique(pairs[:, 0], return_counts=True)
    directions = (("text_to_image", [1], images), ("image_to_text", own.tolist(), texts))
    chance: dict[str, float] = {}
    for direction, right, candidates in directions:
        chance |= {f"{direction}/recall@{k}": chance_within(k, right, candidates) for k in ks}
        chance[f"{direction}/median_rank"] = chance_median_rank(right, candidates)
        chance[f"{direction}/mean_rank"] = chance_mean_rank(right, candidates)
    return with_rsum(chance)


def with_rsum(figures: dict[str, float]) -> dict[str, float]:
    """Returns the figures and the sum of all recalls among them."""
    return {**figures, "rsum": sum(value for name, value in figures.items() if "/recall@" in name)}


@dataclass(frozen=True)
class Retrieval(OnSets):
    """Recall at every k, median and mean rank, of captions for images and of images for captions.

    Over a whole set; with `folds` above 1 also the mean over that many parts of consecutive images; with
    `languages` also in each of these, beside the gap in mean recall to English on the same images; '*' is every
    language that a set has beside English.
    """

    k: tuple[int, ...]
    prefix_token: str
    folds: int
    languages: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.k or min(self.k) < 1:
            raise UserError(f"evaluators.retrieval.k is {self.k}: give one or more whole numbers from 1")

    def __call__(self, model: Encoder) -> dict[str, float]:
        return self._measured(
            lambda where, name, part: _figures(self._ranks(model, where, name, part), self.k)
        )

    def chance(self) -> dict[str, float]:
        return self._measured(
            lambda _where, _name, part: retrieval_chance(part.pairs, len(part.rows), len(part.texts), self.k)
        )

    def outcomes(self, model: Encoder) -> dict[str, Float[np.ndarray, " queries"]]:
        """Tells of every query whether it found its answer among the first k, and the rank."""
        found: dict[str, Float[np.ndarray, " queries"]] = {}
        for where, name, part in self._galleries():
            for direction, ranks in self._ranks(model, where, name, part).items():
                found |= {f"{where}{direction}/recall@{k}": (ranks <= k).astype(float) for k in self.k}
                found[f"{where}{direction}/mean_rank"] = ranks.astype(float)
        return found

    def exhibits(self, model: Encoder) -> Iterable[Exhibit]:
        """Yields some searches of every set in both directions, and a table of languages."""
        for name in self.sets:
            whole = whole_gallery(name, self.data[name])
            yield from searches(name, pictures_of(self.data[name]), whole, *self._rows(model, name, whole))
            if self._spoken(name):
                yield self._languages(model, name)

    def _languages(self, model: Encoder, name: str) -> Table:
        parts = {language: in_language(name, self.data[name], language) for language in self._spoken(name)}
        figures = {
            language: [
                _figures(self._ranks(model, where, name, one), self.k)
                for where, one in zip(self._both(name, language), both, strict=True)
            ]
            for language, both in parts.items()
        }
        return language_table(name, parts, figures, self.k)

    def _spoken(self, name: str) -> list[str]:
        """The languages to search a set in."""
        return [
            language
            for asked in self.languages
            for language in (languages_beside_english(self.data[name]) if asked == EVERY else [asked])
        ]

    def _both(self, name: str, language: str) -> tuple[str, str]:
        """How names start of the figures in a language, and in English on the same images."""
        where = f"{self.name}/{name}/{language}/"
        return where, f"{where}in_english/"

    def _measured(self, measure: Callable[[str, str, Gallery], dict[str, float]]) -> dict[str, float]:
        figures: dict[str, float] = {}
        for name in self.sets:
            data, where = self.data[name], f"{self.name}/{name}/"
            figures |= _named(where, measure(where, name, whole_gallery(name, data)))
            if self.folds > 1:
                cut = enumerate(folds(name, data, self.folds))
                parts = [measure(f"{where}fold_{number}/", name, part) for number, part in cut]
                means = {figure: float(np.mean([part[figure] for part in parts])) for figure in parts[0]}
                figures |= _named(f"{where}{self.folds}_folds/", means)
            for language in self._spoken(name):
                places, both = self._both(name, language), in_language(name, data, language)
                own, english = (measure(*one) for one in zip(places, (name, name), both, strict=True))
                gap = (english["rsum"] - own["rsum"]) / (2 * len(self.k))
                figures |= _named(places[0], {**own, "gap_to_english": gap})
        return figures

    def _galleries(self) -> Iterator[tuple[str, str, Gallery]]:
        """What is searched as one piece: the start of its figures' names, its set, and the gallery."""
        for name in self.sets:
            data, where = self.data[name], f"{self.name}/{name}/"
            yield where, name, whole_gallery(name, data)
            for language in self._spoken(name):
                yield self._both(name, language)[0], name, in_language(name, data, language)[0]

    def _ranks(
        self, model: Encoder, where: str, name: str, part: Gallery
    ) -> dict[str, Int64[np.ndarray, " queries"]]:
        """Counted once for figures, outcomes and exhibits."""
        return self._found.once(
            model, where, lambda: retrieval_ranks(*self._rows(model, name, part), part.pairs)
        )

    @cached_property
    def _found(self) -> LatestModel:
        return LatestModel()

    def _rows(
        self, model: Encoder, name: str, part: Gallery
    ) -> tuple[Float[np.ndarray, "images dim"], Float[np.ndarray, "texts dim"]]:
        images = model.encode_image_array(self.data[name].images)
        return images[part.rows], model.encode_text(part.texts, prefix=self.prefix_token)


def _named(where: str, figures: Mapping[str, float]) -> dict[str, float]:
    return {f"{where}{figure}": value for figure, value in figures.items()}
