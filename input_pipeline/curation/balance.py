"""MetaCLIP's second step (Xu et al., 2023, arXiv 2309.16671, algorithm 1): no entry more often than t, about.

An entry of `count` texts keeps each of them with probability min(1, t / count), and a text stays if any of its entries
keeps it. So what few texts are about stays whole, and the head is cut down to t texts an entry. Of several languages
each has its own counts, and a t that leaves it the tail that `t` leaves the reference (MetaCLIP 2, Chuang et al., 2025,
arXiv 2507.22062).
"""

from __future__ import annotations

import math
import operator
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float, Int

from input_pipeline.curation.groups import packed, unpacked
from input_pipeline.curation.match import LANGUAGES, MATCHED
from input_pipeline.curation.step import Decision, Item, Step
from input_pipeline.dice import Dice
from input_pipeline.errors import UserError

_Counts = Int[np.ndarray, " entries"]  # of texts, by the numbers of the entries
_SHOWN = 20  # of the most frequent entries, in the report


def entry_probabilities(counts: Int[np.ndarray, " n"], t: int) -> Float[np.ndarray, " n"]:
    """Returns with which probability each entry keeps a text that contains it: t / max(count, t)."""
    return t / np.maximum(counts, t)


def keep_probability(probabilities: Sequence[float]) -> float:
    """Returns with which probability a text stays, by those of its entries: 1 - prod(1 - p)."""
    return 1.0 - math.prod(1.0 - one for one in probabilities)


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
    reads = ()

    def __init__(self, config: Mapping[str, Any], *, name: str, seed: int) -> None:
        """Keeps dice that depend on the seed and a record alone."""
        super().__init__(config, name=name, seed=seed)
        self._dice = Dice(seed)
        self._counts: dict[str, _Counts] = {}
        self._t: dict[str, int] = {}
        # Of few entries at a time these are faster than numpy's.
        self._probabilities: dict[str, array[float]] = {}

    def survey(self, items: Sequence[Item]) -> Any:
        """Counts the texts of each entry, language by language."""
        counts: dict[str, Counter[int]] = {}
        for item in items:
            for language, own in _matched(item):
                counts.setdefault(language, Counter()).update(own)
        return {language: sorted(own.items()) for language, own in sorted(counts.items())}

    def settle(self, surveys: Iterator[Any]) -> Any:
        """Adds the counts up, and finds t where a share of the matches is asked for."""
        counts: dict[str, _Counts] = {}
        for survey in surveys:
            for language, pairs in survey.items():
                entries, own = np.array(pairs, np.int64).T
                before = counts.get(language, np.zeros(0, np.int64))
                counts[language] = np.zeros(max(len(before), 1 + entries.max()), np.int64)
                counts[language][: len(before)] = before
                counts[language][entries] += own
        found = {language: own[own > 0] for language, own in counts.items()}
        return {"t": self._settled(found), "counts": {name: packed(own) for name, own in counts.items()}}

    def begin(self, plan: Any) -> None:
        """Takes counts and t."""
        self._t = plan["t"]
        self._counts = {language: unpacked(own) for language, own in plan["counts"].items()}
        for language, own in self._counts.items():
            self._probabilities[language] = array("d", entry_probabilities(own, self._t[language]))

    def __call__(self, item: Item) -> Decision:
        """Rolls for each entry of each text."""
        probabilities = [
            self._probabilities[language][one] for language, own in _matched(item) for one in own
        ]
        draws = self._dice.roll(item.key, f"curation/{self.name}").random(len(probabilities)).tolist()
        scores = {"probability": keep_probability(probabilities)}
        if any(map(operator.lt, draws, probabilities)):
            return Decision(scores=scores)
        return Decision("balanced away", f"kept with probability {scores['probability']:.3f}", scores)

    def facts(self) -> Mapping[str, Any]:
        """Returns t, what share of the matches is of the tail, and the head; by language where there are several."""
        found = {language: self._facts(language) for language in self._counts}
        return found.get("", {"t": self.config["t"]}) if {*found} <= {""} else found

    def _facts(self, language: str) -> dict[str, Any]:
        own = self._counts[language]
        head, t = np.argsort(-own, kind="stable")[: min(_SHOWN, (own > 0).sum())], self._t[language]
        most = [*zip(head.tolist(), own[head].tolist(), strict=True)]
        return {"t": t, "tail_share": tail_share(own, t), "head": most}

    def _settled(self, counts: Mapping[str, Int[np.ndarray, " entries"]]) -> dict[str, int]:
        """The t of each language: as said, by a share of its matches, or by the tail that t leaves in the reference."""
        reference, share, t = (self.config[name] for name in ("reference", "tail", "t"))
        if reference and reference not in counts:
            raise UserError(
                f"{self.name}.reference='{reference}' is none of the languages in which texts matched: "
                f"{', '.join(map(repr, counts)) or 'none'}"
            )
        if not reference:
            return {name: t_of_tail_share(own, share) if share else t for name, own in counts.items()}
        t = t_of_tail_share(counts[reference], share) if share else t
        tail = tail_share(counts[reference], t)
        of_tail = {name: t_of_tail_share(own, tail) for name, own in counts.items()}
        return {**of_tail, reference: t}


def _matched(item: Item) -> Iterator[tuple[str, list[int]]]:
    """The language and the entries of each text that has some."""
    every = item.notes[MATCHED]
    languages = item.notes.get(LANGUAGES) or [""] * len(every)
    return ((language, own) for language, own in zip(languages, every, strict=True) if own)
