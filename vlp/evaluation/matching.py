"""Clusters against classes by the best one-to-one matching."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

Labels = Sequence[str] | Int[np.ndarray, " n"]


def matched_accuracy(clusters: Labels, classes: Labels) -> float:
    """Share of examples whose cluster is matched to their class, in the one-to-one matching where it is highest.

    The assignment problem is solved exactly (Kuhn 1955). Clusters without a class of their own count as wrong.
    """
    from scipy.optimize import linear_sum_assignment

    _, rows = np.unique(clusters, return_inverse=True)
    _, columns = np.unique(classes, return_inverse=True)
    counts = np.zeros((rows.max() + 1, columns.max() + 1), np.int64)
    np.add.at(counts, (rows, columns), 1)
    return float(counts[linear_sum_assignment(counts, maximize=True)].sum() / len(rows))
