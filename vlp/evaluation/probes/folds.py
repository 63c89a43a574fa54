"""Which training examples a penalty is chosen on, where there is no set for it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int, Int64

from vlp.evaluation.probes.few_shot import rank_in_class

FOLDS = 5  # and one of so many examples is held out, where classes have as many
LEAST = 0.1  # of all examples, that are held out at once

Folds = Int64[np.ndarray, " n"]  # the fold that holds an example out, -1 for none


def folds_of(labels: Int[np.ndarray, " n"]) -> Folds:
    """Returns every fifth example of a class in one fold; where those are few, all examples in five stratified folds.

    Few is less than a tenth: most classes have fewer than five examples then, and the others alone would choose. A
    class's only example is never held out: nothing would be left to learn it from.
    """
    if not len(labels):
        return np.zeros(0, np.int64)
    ranks = rank_in_class(labels, 0)
    split = np.where(ranks % FOLDS == FOLDS - 1, 0, -1)
    if np.mean(split >= 0) >= LEAST:
        return split
    _, classes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    return np.where(counts[classes] > 1, ranks % FOLDS, -1)


def last(parts: list[np.ndarray]) -> Folds:
    """Returns the last part in one fold: the validation set, which stands behind the training set."""
    return np.repeat(np.array([-1] * (len(parts) - 1) + [0], np.int64), [len(part) for part in parts])


def in_words(folds: Folds) -> str:
    """Returns what a penalty was chosen on."""
    count, held_out = len(np.unique(folds[folds >= 0])), int((folds >= 0).sum())
    if count > 1:
        return f"{held_out:,} of {len(folds):,} examples in {count} folds, each predicted without its own"
    return f"{held_out:,} of {len(folds):,} examples, held out"
