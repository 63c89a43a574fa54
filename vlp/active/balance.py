"""Balance of the classes that are asked for, by what a model takes images for (PCB, arXiv 2311.11178)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int


class Balanced(NamedTuple):
    """Holds what was chosen, in order.

    Attributes:
      places: of the candidates.
      asked: the class that each pick was for.
      found: whether it is one that the model takes for that class.
      counts: labels of each class afterwards, as far as the model is right.
    """

    places: Int[np.ndarray, " chosen"]
    asked: Int[np.ndarray, " chosen"]
    found: Bool[np.ndarray, " chosen"]
    counts: Float[np.ndarray, " classes"]


def balanced(
    predicted: Int[np.ndarray, " candidates"],
    counts: Float[np.ndarray, " classes"],
    budget: int,
    dice: np.random.Generator,
) -> Balanced:
    """Chooses, again and again, a candidate of the class with the fewest labels (PCB, algorithm 1).

    Where the model takes none that is left for that class, any candidate is taken and, as in the public code, no count
    is raised: the rest of the round is random then.

    Args:
      predicted: the class that the model takes each candidate for.
      counts: labels of each class so far; of equal ones the first is asked for.
      budget: candidates to choose.
      dice: choose among a class's candidates.

    Raises:
      ValueError: there are fewer candidates.
    """
    if budget > len(predicted):
        raise ValueError(f"a budget of {budget} needs as many candidates, not {len(predicted)}")
    counts, left = np.array(counts, np.float64), np.ones(len(predicted), bool)
    picks: list[tuple[int, int, bool]] = []
    for _ in range(budget):
        asked = int(counts.argmin())
        own = np.flatnonzero(left & (predicted == asked))
        place = int(dice.choice(own if len(own) else np.flatnonzero(left)))
        counts[asked] += len(own) > 0
        left[place] = False
        picks.append((place, asked, len(own) > 0))
    columns = list(zip(*picks, strict=True)) or [(), (), ()]
    places, asked_for, found = (np.array(column) for column in columns)
    return Balanced(places.astype(int), asked_for.astype(int), found.astype(bool), counts)
