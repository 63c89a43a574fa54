"""A classifier of a concept from a few answers: mined by texts, then by a probe's doubts (Modeling Collaborator).

The pipeline is that of arXiv 2403.02626: phrases of what belongs and what does not, candidates from an index by their
similarity, answers of an annotator, a light classifier on frozen embeddings, and rounds in which it asks again.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Float64, Int

from vlp.evaluation.probes.linear import LinearModel, LinearProbe

Rows = Float[np.ndarray, "n dim"]


def text_scores(
    rows: Rows, positive: Float[np.ndarray, "p dim"], negative: Float[np.ndarray, "m dim"]
) -> Float64[np.ndarray, " n"]:
    """Returns the cosine of the best phrase of what belongs, less that of the best of what does not."""
    own = rows.astype(np.float64)
    against = (own @ negative.astype(np.float64).T).max(axis=1) if len(negative) else 0.0
    return (own @ positive.astype(np.float64).T).max(axis=1) - against


def mined(
    scores: Float64[np.ndarray, " n"], free: Int[np.ndarray, " free"], count: int
) -> Int[np.ndarray, " c"]:
    """Returns places to ask about first: half of them the best, the others evenly spread over the rest by score."""
    order = free[np.argsort(-scores[free], kind="stable")]
    best, rest = order[: -(-count // 2)], order[-(-count // 2) :]
    spread = np.linspace(0, len(rest) - 1, min(count - len(best), len(rest))).round().astype(int)
    return np.concatenate([best, rest[np.unique(spread)]])


def doubtful(
    scores: Float64[np.ndarray, " n"], free: Int[np.ndarray, " free"], count: int
) -> Int[np.ndarray, " c"]:
    """Returns places to ask about next: half of them nearest to the border, the others the best that are left."""
    near = free[np.argsort(np.abs(scores[free]), kind="stable")][: -(-count // 2)]
    left = np.setdiff1d(free, near)
    best = left[np.argsort(-scores[left], kind="stable")][: count - len(near)]
    return np.concatenate([near, best])


def fitted(rows: Rows, yes: Bool[np.ndarray, " n"], penalty: float) -> LinearModel:
    """Returns the logistic regression of yes against no, each side weighing as much as the other."""
    weights = np.where(yes, 0.5 / max(1, yes.sum()), 0.5 / max(1, (~yes).sum())) * len(yes)
    return LinearProbe(rows, yes.astype(np.int64), 2).fit(penalty, weights)


def log_odds(model: LinearModel, rows: Rows) -> Float64[np.ndarray, " n"]:
    """Returns how much likelier yes is than no; 0 is the border."""
    scores = model.scores(rows)
    return scores[:, 1] - scores[:, 0]
