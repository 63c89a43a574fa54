"""BLEU of a set of captions (Papineni et al. 2002), with the arithmetic of COCO's evaluation."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from vlp.evaluation.captioning.words import NGram, ngrams

LONGEST = 4
# COCO's evaluation adds these above and below each quotient, so that none is of zeros.
TINY, SMALL = 1e-15, 1e-9


def bleu(written: Sequence[list[str]], references: Sequence[Sequence[list[str]]]) -> list[float]:
    """Returns BLEU-1 to BLEU-4 of a whole set: counts are added up over it before anything is divided.

    Args:
      written: the words of each caption.
      references: the words of each reference of each caption; that nearest in length, the shorter of two, says how
        long a caption should be.
    """
    right, there = [0] * LONGEST, [0] * LONGEST
    for caption, own in zip(written, references, strict=True):
        counts, most = ngrams(caption, LONGEST), _most(own)
        for ngram, count in counts.items():
            right[len(ngram) - 1] += min(count, most[ngram])
        for size in range(LONGEST):
            there[size] += max(0, len(caption) - size)
    length = sum(map(len, written))
    wanted = sum(
        min((abs(len(one) - len(caption)), len(one)) for one in own)[1]
        for caption, own in zip(written, references, strict=True)
    )
    ratio = (length + TINY) / (wanted + SMALL)
    penalty = math.exp(1 - 1 / ratio) if ratio < 1 else 1.0
    product, figures = 1.0, []
    for size in range(LONGEST):
        product *= (right[size] + TINY) / (there[size] + SMALL)
        figures.append(penalty * product ** (1 / (size + 1)))
    return figures


def _most(references: Sequence[list[str]]) -> Counter[NGram]:
    """How often each n-gram stands in the reference that has it most often."""
    most: Counter[NGram] = Counter()
    for one in references:
        most |= ngrams(one, LONGEST)
    return most
