"""How well free names fit the labels of a set (arXiv 2306.00917)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Float64

from vlp.evaluation.texts.words import bare_words


def word_iou(name: str, label: str) -> float:
    """Words that both have, as a share of the words that either has; all in lower case and singular."""
    ours, theirs = set(bare_words(name)), set(bare_words(label))
    return len(ours & theirs) / max(1, len(ours | theirs))


def word_ious(names: Sequence[str], labels: Sequence[str]) -> Float64[np.ndarray, " n"]:
    """Returns the semantic IoU of each name with its label."""
    return np.array([word_iou(name, label) for name, label in zip(names, labels, strict=True)])


def chance_word_iou(frequency: Mapping[str, int], labels: Sequence[str]) -> float:
    """Returns the expected semantic IoU of one word drawn by its frequency: the chance to draw a label's word, by their
    number."""
    total = Counter(frequency).total()
    drawn = [
        sum(frequency.get(word, 0) for word in set(words)) / len(set(words))
        for words in map(bare_words, labels)
        if words
    ]
    return sum(drawn) / total / len(labels) if total else 0.0


def cosines(
    ours: Float[np.ndarray, "n dim"], theirs: Float[np.ndarray, "n dim"]
) -> Float64[np.ndarray, " n"]:
    """Returns the semantic similarity of unit rows, row by row."""
    return np.einsum("nd,nd->n", ours.astype(np.float64), theirs.astype(np.float64))


def strangers_cosine(ours: Float[np.ndarray, "n dim"], theirs: Float[np.ndarray, "n dim"]) -> float:
    """Returns the mean cosine of every name with every label: what similarity is worth without looking at images."""
    return float(ours.mean(axis=0, dtype=np.float64) @ theirs.mean(axis=0, dtype=np.float64))


def dealt(names: Sequence[str]) -> list[str]:
    """Returns the same names for other images or places: what their number alone is worth."""
    return [names[place] for place in np.random.default_rng(0).permutation(len(names))]
