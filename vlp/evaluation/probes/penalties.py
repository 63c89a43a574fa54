"""The search for a penalty that CLIP's paper describes (Radford et al. 2021, arXiv 2103.00020, appendix A.3)."""

from __future__ import annotations

from collections.abc import Callable

STEPS_PER_DECADE, FIRST_STEP = 8, 16
LOWEST, DECADES = -6, 12  # from 1e-6 to 1e6: 96 steps


def penalty_at(place: int) -> float:
    """Returns the penalty at a place from 0 to 96, evenly spaced in its logarithm."""
    return 10.0 ** (LOWEST + place / STEPS_PER_DECADE)


def search_penalty(score: Callable[[int], float]) -> dict[int, float]:
    """Returns scores of the places that were looked at: every 16th, then both sides of the best in halves of that.

    Args:
      score: of the fit with the penalty at a place, on examples it has not seen; asked once for each place, first
        in falling order.
    """
    places = range(STEPS_PER_DECADE * DECADES, -1, -FIRST_STEP)
    scores = {place: score(place) for place in places}
    step = FIRST_STEP // 2
    while step:
        best = best_place(scores)
        for place in (best + step, best - step):
            if 0 <= place <= STEPS_PER_DECADE * DECADES and place not in scores:
                scores[place] = score(place)
        step //= 2
    return scores


def best_place(scores: dict[int, float]) -> int:
    """Returns the place of the highest score; of equal ones the highest penalty, which is the simplest classifier."""
    return max(scores, key=lambda place: (scores[place], place))


def at_edge(scores: dict[int, float]) -> str:
    """Returns 'lowest' or 'highest' where the best place is the end of the range: the best penalty may lie beyond; else
    ''."""
    return {0: "lowest", STEPS_PER_DECADE * DECADES: "highest"}.get(best_place(scores), "") if scores else ""
