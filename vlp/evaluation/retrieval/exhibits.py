"""What retrieval shows beside its figures: some searches, the same ones for every model, and a table of languages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Int64

from vlp.evaluation.exhibits import Picture, Search, Searches, Table
from vlp.evaluation.protocols import EvaluationSet
from vlp.evaluation.retrieval.galleries import Gallery

SHOWN, FOUND = 8, 5  # searches of a set, and answers of each


def spread(count: int, most: int = SHOWN) -> Int64[np.ndarray, " chosen"]:
    """Returns at most `most` of `count` places, evenly spread from the first to the last."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


def pictures_of(data: EvaluationSet) -> Sequence[Any]:
    """Returns what stands for each image: itself, or its id in a set that holds embeddings in the place of images.

    Pictures are taken by their places: those of a large set are decoded when they are.
    """
    there = len(data.images.shape) == 4 or data.images.dtype.names
    return data.images if there else data.ids  # type: ignore[return-value]


def search(
    query: str | Picture,
    row: Float[np.ndarray, " dim"],
    candidates: Float[np.ndarray, "c dim"],
    shown: Sequence[str | Picture],
    places: Int[np.ndarray, " c"],
    right: Bool[np.ndarray, " c"],
) -> Search:
    """Returns what stands first for one query; of equal scores the first candidate. `places` are the candidates' in
    `shown`."""
    scores = candidates.astype(np.float64) @ row.astype(np.float64)
    best = np.argsort(-scores, kind="stable")[:FOUND]
    return Search(query, [shown[place] for place in places[best]], right[best], scores[best])


def searches(
    name: str,
    pictures: Sequence[str | Picture],
    whole: Gallery,
    images: Float[np.ndarray, "images dim"],
    texts: Float[np.ndarray, "texts dim"],
) -> Iterator[Searches]:
    """Yields searches in both directions, from images evenly spread over the set.

    Their captions are taken in turn, the first of one image and the second of the next: easy ones and hard ones,
    for sources put short names first and long descriptions after.
    """
    asking = np.unique(whole.pairs[:, 0])
    chosen = asking[spread(len(asking))]
    by_text, by_image = [], []
    for turn, image in enumerate(chosen):
        own = whole.pairs[whole.pairs[:, 0] == image, 1]
        text = own[turn % len(own)]
        owners = np.isin(np.arange(len(images)), whole.pairs[whole.pairs[:, 1] == text, 0])
        by_text.append(search(whole.texts[text], texts[text], images, pictures, whole.rows, owners))
        places = np.arange(len(texts))
        picture = pictures[whole.rows[image]]
        by_image.append(search(picture, images[image], texts, whole.texts, places, np.isin(places, own)))
    yield Searches(f"{name}: images for a caption", by_text)
    yield Searches(f"{name}: captions for an image", by_image)


def language_table(
    name: str,
    parts: Mapping[str, tuple[Gallery, Gallery]],
    figures: Mapping[str, Sequence[Mapping[str, float]]],
    ks: Sequence[int],
) -> Table:
    """Returns a row for each language: recalls, and behind them the gap in mean recall to English on the same images.

    Args:
      name: of the set.
      parts: by language, the gallery in it and the English one of the same images.
      figures: by language, those of both galleries.
      ks: of the recalls.
    """
    recalls = [f"{direction}/recall@{k}" for direction in ("text_to_image", "image_to_text") for k in ks]
    rows = []
    for language, (own, english) in figures.items():
        mean, best = (float(np.mean([part[recall] for recall in recalls])) for part in (own, english))
        shares = [*(own[recall] for recall in recalls), mean, best]
        size = [str(len(parts[language][0].rows)), str(len(parts[language][0].pairs))]
        gap = f"{100 * (best - mean):+.1f}"
        rows.append([language, *size, *(f"{100 * share:.1f}%" for share in shares), gap])
    head = ["language", "images", "captions", *recalls, "mean recall", "of English", "gap, points"]
    return Table(f"{name}: retrieval by language", head, rows)
