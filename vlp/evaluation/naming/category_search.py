"""CaSED: what an image is called, found in the captions nearest to it (arXiv 2306.00917)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Int

from vlp.evaluation.texts.captions import EncodeTexts, caption_centroids
from vlp.evaluation.texts.words import candidate_words, naming_words
from vlp.neighbours.ranks import TIE


class Naming(NamedTuple):
    """Holds what one image may be called, the best name first, with scores that sum to one."""

    names: list[str]
    scores: Float64[np.ndarray, " names"]


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
    """Returns names for images from their nearest captions.

    The candidates of an image are words of its captions. Each is scored by the image and by the unit mean of its
    captions, both by a softmax over the candidates of that image alone.

    Args:
        images: unit rows.
        captions: that were searched.
        nearest: from `vlp.evaluation.texts.captions.nearest_captions`.
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
    order = np.lexsort((np.arange(len(words)), -np.round(scores / TIE)))  # what is closer than TIE is equal
    return Naming([words[place] for place in order], scores[order])


def _softmax(logits: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    exponentials = np.exp(logits - logits.max())
    return exponentials / exponentials.sum()
