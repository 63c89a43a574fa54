"""MetaCLIP's second step (Xu et al., 2023, arXiv 2309.16671, algorithm 1): no entry more often than t, about.

An entry of `count` texts keeps each of them with probability min(1, t / count), and a text stays if any of its entries
keeps it. So what few texts are about stays whole, and the head is cut down to t texts an entry.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float, Int

from input_pipeline.curation.match import MATCHED
from input_pipeline.curation.step import Decision, Item, Step
from input_pipeline.dice import Dice

_SHOWN = 20  # of the most frequent entries, in the report


def entry_probabilities(counts: Int[np.ndarray, " n"], t: int) -> Float[np.ndarray, " n"]:
    """Returns with which probability each entry keeps a text that contains it: t / max(count, t)."""
    return t / np.maximum(counts, t)


def keep_probability(probabilities: Float[np.ndarray, " n"]) -> float:
    """Returns with which probability a text stays, by those of its entries: 1 - prod(1 - p)."""
    return float(1.0 - np.prod(1.0 - probabilities))


def tail_share(counts: Int[np.ndarray, " n"], t: int) -> float:
    """Returns the share of all matches that are of entries with fewer than t."""
    return float(counts[counts < t].sum() / counts.sum())


def t_of_tail_share(counts: Int[np.ndarray, " n"], share: float) -> int:
    """Returns the count up to which, from the smallest on, entries hold a share of all matches: the nearest such."""
    ascending = np.sort(counts)
    shares = np.cumsum(ascending) / ascending.sum()
    return int(ascending[np.argmin(np.abs(shares - share))])


class Balance(Step):
    """Drops records by chance, the more often the more texts their entries have."""

    COLUMNS: ClassVar[Mapping[str, str]] = {"probability": "float32"}

    surveys = True

    def __init__(self, config: Mapping[str, Any], *, name: str, seed: int) -> None:
        """Keeps dice that depend on the seed and a record alone."""
        super().__init__(config, name=name, seed=seed)
        self._dice = Dice(seed)
        self._counts: dict[int, int] = {}
        self._t = 0

    def survey(self, items: Sequence[Item]) -> Any:
        """Counts the texts of each entry."""
        counts = Counter(entry for item in items for own in item.notes[MATCHED] for entry in own)
        return sorted(counts.items())

    def settle(self, surveys: Iterator[Any]) -> Any:
        """Adds the counts up, and finds t where a share of the matches is asked for."""
        counts = Counter[int]()
        for survey in surveys:
            counts.update(dict(survey))
        share, t = self.config["tail"], self.config["t"]
        if share and counts:
            t = t_of_tail_share(np.array(list(counts.values())), share)
        return {"t": t, "counts": sorted(counts.items())}

    def begin(self, plan: Any) -> None:
        """Takes counts and t."""
        self._counts, self._t = dict(plan["counts"]), plan["t"]

    def __call__(self, item: Item) -> Decision:
        """Rolls for each entry of each text."""
        counts = [self._counts[entry] for own in item.notes[MATCHED] for entry in own]
        probabilities = entry_probabilities(np.array(counts), self._t)
        draws = self._dice.roll(item.key, f"curation/{self.name}").random(len(counts))
        scores = {"probability": keep_probability(probabilities)}
        if (draws < probabilities).any():
            return Decision(scores=scores)
        return Decision("balanced away", f"kept with probability {scores['probability']:.3f}", scores)

    def facts(self) -> Mapping[str, Any]:
        """Returns t, what share of the matches is of the tail, and the head."""
        counts = np.array(list(self._counts.values()) or [1])
        head = sorted(self._counts.items(), key=lambda pair: (-pair[1], pair[0]))[:_SHOWN]
        return {"t": self._t, "tail_share": tail_share(counts, self._t), "head": head}
