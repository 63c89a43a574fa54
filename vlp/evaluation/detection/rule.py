"""A yes or no that is linear in the embedding, so that one gradient tells how pixels change it."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float64

from vlp.evaluation.probes.linear import LinearProbe
from vlp.evaluation.tagging.figures import best_f1
from vlp.evaluation.texts.class_texts import unit


class Rule(NamedTuple):
    """Says yes where a row times the direction reaches the threshold."""

    direction: Float64[np.ndarray, " dim"]
    threshold: float

    def scores(self, rows: Float[np.ndarray, "n dim"]) -> Float64[np.ndarray, " n"]:
        """Returns how far each row is on the side of yes; 0 is just enough."""
        return rows.astype(np.float64) @ self.direction - self.threshold


def direction_of_texts(
    yes: Float[np.ndarray, "texts dim"], no: Float[np.ndarray, "texts dim"]
) -> Float64[np.ndarray, " dim"]:
    """Returns the difference of the two sides' mean texts, each a unit row."""
    sides = [unit(rows.astype(np.float64).mean(axis=0)) for rows in (yes, no)]
    return sides[0] - sides[1]


def direction_of_examples(
    rows: Float[np.ndarray, "n dim"], positive: Bool[np.ndarray, " n"], penalty: float
) -> Float64[np.ndarray, " dim"]:
    """Returns the log-odds' slope of a logistic regression of yes against no."""
    found = LinearProbe(rows, positive.astype(np.int64), 2).fit(penalty)
    return found.weights[:, 1] - found.weights[:, 0]


def with_threshold(
    direction: Float64[np.ndarray, " dim"], rows: Float[np.ndarray, "n dim"], positive: Bool[np.ndarray, " n"]
) -> Rule:
    """Returns the rule whose F1 on these rows is the highest that any threshold gives."""
    return Rule(direction, best_f1(rows.astype(np.float64) @ direction, positive)[1])


def chosen_labels(labels: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """Returns the distinct labels that fit a pattern; without patterns the first in order."""
    known = sorted({label for label in labels if label})
    if not patterns:
        return known[:1]
    return [label for label in known if any(fnmatchcase(label, pattern) for pattern in patterns)]


def f1(answered: Bool[np.ndarray, " n"], positive: Bool[np.ndarray, " n"]) -> float:
    """Returns the harmonic mean of precision and recall of yes; 0 where nothing is right."""
    hits, wrong = np.sum(answered & positive), np.sum(answered != positive)
    return float(2 * hits / (2 * hits + wrong)) if hits else 0.0


def f1_of_always_yes(positive: Bool[np.ndarray, " n"]) -> float:
    """Returns what saying yes to every image reaches: the most that can be had without looking."""
    share = float(np.mean(positive))
    return 2 * share / (1 + share)
