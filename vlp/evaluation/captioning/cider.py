"""CIDEr-D of captions (Vedantam et al. 2015, arXiv 1411.5726, section 6), with the arithmetic of COCO's evaluation."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from vlp.evaluation.captioning.words import NGram, ngrams

LONGEST, SIGMA = 4, 6.0


class _Vector(NamedTuple):
    """The weighed n-grams of a caption, the length of those of each size, and how many pairs of words it has."""

    weights: dict[NGram, float]
    lengths: list[float]
    pairs: int


def cider(
    written: Sequence[list[str]], references: Sequence[Sequence[list[str]]]
) -> Float64[np.ndarray, " captions"]:
    """Returns CIDEr-D of each caption, of which the set's is the mean; ten is a perfect one.

    An n-gram weighs by how often it stands in the caption, times the logarithm of the share of images that it is not
    said of; that is why a caption's figure is one of its set.

    Args:
      written: the words of each caption.
      references: the words of each reference of each caption.
    """
    counts = [[ngrams(one, LONGEST) for one in own] for own in references]
    images: Counter[NGram] = Counter(ngram for own in counts for ngram in set().union(*own))
    total = math.log(len(references))

    def vector(count: Counter[NGram]) -> _Vector:
        weights = {ngram: many * (total - math.log(max(1, images[ngram]))) for ngram, many in count.items()}
        squares = [0.0] * LONGEST
        for ngram, weight in weights.items():
            squares[len(ngram) - 1] += weight**2
        return _Vector(
            weights, [math.sqrt(one) for one in squares], sum(count[one] for one in count if len(one) == 2)
        )

    figures = []
    for caption, own in zip(written, counts, strict=True):
        asked = vector(ngrams(caption, LONGEST))
        figures.append(10.0 * float(np.mean([_likeness(asked, vector(one)) for one in own])))
    return np.array(figures)


def _likeness(caption: _Vector, reference: _Vector) -> float:
    """The mean over sizes of the cosine, in which no n-gram counts for more than in the reference, shrunk by how much
    longer or shorter the caption is (in pairs of words)."""
    products = [0.0] * LONGEST
    for ngram, weight in caption.weights.items():
        other = reference.weights.get(ngram, 0.0)
        products[len(ngram) - 1] += min(weight, other) * other
    for size in range(LONGEST):
        products[size] /= caption.lengths[size] * reference.lengths[size] or 1.0
    apart = caption.pairs - reference.pairs
    return sum(products) / LONGEST * math.exp(-(apart**2) / (2 * SIGMA**2))
