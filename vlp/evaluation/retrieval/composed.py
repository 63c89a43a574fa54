"""Retrieval of images for a query that is an image and a text together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Float64, Int64

from input_pipeline.errors import UserError
from vlp.configuration.paths import find
from vlp.evaluation.exhibits import Exhibit, Searches
from vlp.evaluation.figures import chance_within
from vlp.evaluation.protocols import Encoder, OnSets
from vlp.evaluation.retrieval.composed_queries import ComposedQuery, read_queries, tag_queries
from vlp.evaluation.retrieval.exhibits import pictures_of, search, spread
from vlp.neighbours.ranks import best_token_ranks


def compose(
    images: Float[np.ndarray, "n dim"],
    texts: Float[np.ndarray, "n dim"],
    *,
    rule: str = "sum",
    text_weight: float = 0.5,
) -> Float64[np.ndarray, "n dim"]:
    """Returns a unit row for each pair of unit rows: the weighted sum, or the point of the arc between them (slerp).

    "sum" is (1 - w) image + w text, normalised (ALIGN, Jia et al. 2021, with w = 1/2); "slerp" is
    sin((1 - w) a) / sin(a) image + sin(w a) / sin(a) text, a being their angle (Jang et al. 2024).
    """
    images, texts = images.astype(np.float64), texts.astype(np.float64)
    shares = 1.0 - text_weight, text_weight
    if rule == "slerp":
        angle = np.arccos(np.clip(np.sum(images * texts, axis=1, keepdims=True), -1.0, 1.0))
        # Where the angle vanishes, sin(w a) / sin(a) is w; the common factor goes with the norm.
        left, right = (np.sin(share * angle) for share in shares)
        straight = angle < 1e-6
        rows = np.where(straight, shares[0], left) * images + np.where(straight, shares[1], right) * texts
    else:
        rows = shares[0] * images + shares[1] * texts
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(np.float64).tiny)


@dataclass(frozen=True)
class ComposedRetrieval(OnSets):
    """Recall at every k of target images for an image and a text, beside that for each of these alone.

    The reference image is no candidate, as in CIRR (Liu et al. 2021, arXiv:2108.04024). `queries` is a file (see
    `read_queries`); without one, queries are made of labels and tags (see `tag_queries`). `composer` is a part that
    learned to compose; what `rule` makes of the embeddings stands beside it then.
    """

    k: tuple[int, ...]
    queries: str
    rule: str
    text_weight: float
    prefix_token: str
    composer: str

    def __post_init__(self) -> None:
        if not self.k or min(self.k) < 1:
            raise UserError(f"evaluators.{self.name}.k is {self.k}: give one or more whole numbers from 1")
        if self.queries and not find(self.queries):
            raise UserError(f"evaluators.{self.name}.queries: there is no file '{self.queries}'")

    def __call__(self, model: Encoder) -> dict[str, float]:
        return {name: float(np.mean(values)) for name, values in self.outcomes(model).items()}

    def outcomes(self, model: Encoder) -> dict[str, Float[np.ndarray, " queries"]]:
        """Tells of every query whether it found a target among the first k."""
        found: dict[str, Float[np.ndarray, " queries"]] = {}
        for name in self.sets:
            queries = self._queries(name)
            right = _cells([query.targets for query in queries])
            references = _cells([(query.reference,) for query in queries])
            for part, (rows, candidates) in self._found(model, name, queries).items():
                ranks = best_token_ranks(rows, candidates, right, ignored=references)
                found |= {f"{self.name}/{name}/{part}recall@{k}": (ranks <= k).astype(float) for k in self.k}
        return found

    def chance(self) -> dict[str, float]:
        chance: dict[str, float] = {}
        for name in self.sets:
            right = [len(query.targets) for query in self._queries(name)]
            candidates = len(self.data[name].labels) - 1
            for part in ("", *(("sum/",) if self.composer else ()), "image_only/", "text_only/"):
                chance |= {
                    f"{self.name}/{name}/{part}recall@{k}": chance_within(k, right, candidates)
                    for k in self.k
                }
        return chance

    def exhibits(self, model: Encoder) -> Iterable[Exhibit]:
        """Yields what some queries, evenly spread, find: a search for each of their references, under their texts."""
        for name in self.sets:
            queries, pictures = self._queries(name), pictures_of(self.data[name])
            rows, candidates = self._found(model, name, queries)[""]
            shown = []
            for number in spread(len(queries)):
                query = queries[number]
                others = np.delete(np.arange(len(candidates)), query.reference)
                best = (candidates[others] @ rows[number]).argmax(axis=1)
                right = np.isin(others, query.targets)
                picture = pictures[query.reference]
                found = search(picture, rows[number], candidates[others, best], pictures, others, right)
                shown.append(replace(found, about=query.text))
            yield Searches(f"{name}: images for an image and a text", shown)

    def _found(
        self, model: Encoder, name: str, queries: list[ComposedQuery]
    ) -> dict[str, tuple[Float[np.ndarray, "queries dim"], Float[np.ndarray, "candidates tokens dim"]]]:
        """The queries' rows, and what they are compared with, by how the names of their figures start."""
        pictures, texts = self.data[name].images, [query.text for query in queries]
        references = np.array([query.reference for query in queries])
        candidates = model.encode_image_array(pictures)[:, None]
        images, words = candidates[references, 0], model.encode_text(texts, prefix=self.prefix_token)
        both = compose(images, words, rule=self.rule, text_weight=self.text_weight)
        plain = {"image_only/": (images, candidates), "text_only/": (words, candidates)}
        if not self.composer:
            return {"": (both, candidates), **plain}
        composer = model.composer(self.composer)
        learned = composer.compose(pictures[references], texts, prefix=self.prefix_token)
        return {"": (learned, composer.gallery(pictures)), "sum/": (both, candidates), **plain}

    def _queries(self, name: str) -> list[ComposedQuery]:
        data = self.data[name]
        queries = read_queries(find(self.queries)[0], data.ids) if self.queries else tag_queries(data)
        if not queries:
            raise UserError(f"evaluation set {name!r} gives no queries: it needs labels with different tags")
        return queries


def _cells(candidates: list[tuple[int, ...]]) -> Int64[np.ndarray, "cells 2"]:
    """(query, candidate) for each candidate of each query."""
    return np.array([(query, one) for query, own in enumerate(candidates) for one in own], np.int64)
