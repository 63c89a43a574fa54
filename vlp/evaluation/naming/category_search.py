"""CaSED: what an image is called, found in the captions nearest to it (arXiv 2306.00917)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Int, Int64

from vlp.evaluation.texts.words import candidate_words, naming_words
from vlp.neighbours.ranks import TIE

EncodeTexts = Callable[[Sequence[str]], np.ndarray]
SCORES_AT_A_TIME = 1 << 24


class Naming(NamedTuple):
    """What one image may be called, the best name first, with scores that sum to one."""

    names: list[str]
    scores: Float64[np.ndarray, " names"]


def nearest_captions(
    images: Float[np.ndarray, "images dim"],
    captions: Sequence[str],
    encode: EncodeTexts,
    count: int,
    *,
    scores_at_a_time: int = SCORES_AT_A_TIME,
) -> Int64[np.ndarray, "images count"]:
    """Indices of the captions with the highest cosines, best first; of equal ones the earlier comes first.

    Captions are encoded and scored by blocks, so that at most `scores_at_a_time` scores exist at once.
    """
    count, queries = min(count, len(captions)), images.astype(np.float64)
    size = max(count, scores_at_a_time // len(images))
    scores, found = np.zeros((len(images), 0)), np.zeros((len(images), 0), np.int64)
    for start in range(0, len(captions), size):
        block = queries @ encode(captions[start : start + size]).astype(np.float64).T
        best = _first(block, min(count, block.shape[1]))
        both = np.hstack([scores, np.take_along_axis(block, best, axis=1)]), np.hstack([found, best + start])
        kept = _first(both[0], min(count, both[0].shape[1]))
        scores, found = np.take_along_axis(both[0], kept, axis=1), np.take_along_axis(both[1], kept, axis=1)
    return found


def caption_centroids(
    captions: Sequence[str], nearest: Int[np.ndarray, "images count"], encode: EncodeTexts
) -> Float64[np.ndarray, "images dim"]:
    """The unit mean of the captions that `nearest_captions` found for each image."""
    used, place = np.unique(nearest, return_inverse=True)
    rows = encode([captions[index] for index in used]).astype(np.float64)[place.reshape(nearest.shape)]
    centroids = rows.mean(axis=1)
    return centroids / np.maximum(np.linalg.norm(centroids, axis=1, keepdims=True), np.finfo(np.float64).tiny)


def name_images(
    images: Float[np.ndarray, "images dim"],
    captions: Sequence[str],
    nearest: Int[np.ndarray, "images count"],
    encode_captions: EncodeTexts,
    encode_names: EncodeTexts,
    *,
    alpha: float,
    scale: float,
) -> list[Naming]:
    """Names for images from their nearest captions.

    The candidates of an image are words of its captions. Each is scored by the image and by the unit mean of its
    captions, both by a softmax over the candidates of that image alone.

    Args:
        images: unit rows.
        captions: that were searched.
        nearest: from `nearest_captions`.
        encode_captions: texts to unit rows.
        encode_names: candidates to unit rows.
        alpha: share of the image's posterior; the rest is the captions'.
        scale: of the cosines in both softmaxes.
    """
    centroids = caption_centroids(captions, nearest, encode_captions)
    used, place = np.unique(nearest, return_inverse=True)
    words_of = [naming_words(captions[index]) for index in used]
    candidates = [candidate_words([words_of[at] for at in own]) for own in place.reshape(nearest.shape)]
    words = list(dict.fromkeys(word for own in candidates for word in own))
    index, names = {word: at for at, word in enumerate(words)}, encode_names(words).astype(np.float64)
    return [
        _naming(own, names[[index[word] for word in own]], image, centroid, alpha, scale)
        for own, image, centroid in zip(candidates, images.astype(np.float64), centroids, strict=True)
    ]


def _naming(
    words: list[str],
    rows: Float64[np.ndarray, "words dim"],
    image: Float64[np.ndarray, " dim"],
    centroid: Float64[np.ndarray, " dim"],
    alpha: float,
    scale: float,
) -> Naming:
    scores = alpha * _softmax(scale * rows @ image) + (1 - alpha) * _softmax(scale * rows @ centroid)
    order = _first(scores[None], len(words))[0]
    return Naming([words[place] for place in order], scores[order])


def _softmax(logits: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    exponentials = np.exp(logits - logits.max())
    return exponentials / exponentials.sum()


def _first(scores: Float64[np.ndarray, "rows n"], count: int) -> Int64[np.ndarray, "rows count"]:
    """Columns of the `count` highest scores of each row, in order; what is closer than TIE is equal."""
    limit = np.partition(scores, -count, axis=1)[:, -count, None]
    rows, columns = np.nonzero(~(scores < limit - TIE))
    order = np.lexsort((columns, -np.round(scores[rows, columns] / TIE), rows))
    starts = np.searchsorted(rows, np.arange(len(scores)))
    return columns[order][starts[:, None] + np.arange(count)]
