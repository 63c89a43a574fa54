"""A record's labels as batch fields: their numbers, and for each label there is whether the record has it."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int8, Int32

from input_pipeline.errors import UserError
from input_pipeline.fields import Batch, Shapes
from input_pipeline.labels import OF, read_labels, source_labels
from input_pipeline.records import Record
from input_pipeline.tables import hash64
from input_pipeline.verified_labels import Hierarchy, read_hierarchy, read_verified, yes_and_no
from input_pipeline.visits import Visit


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The labels that are numbered, and what is known of which record has them.

    Attributes:
      name: of the batch field.
      of: what of a record is looked up, a name in `labels.OF`.
      places: the number of each label.
      most: labels of a record that have a number in the batch.
      verified: confidences of labels by record id; None = what is no label of a record is not there.
      hierarchy: what is a kind of what.
      noise: share of a record's labels that are others instead, any of the vocabulary's; of a record always the same.
      noise_seed: of these.
    """

    name: str
    of: str
    places: Mapping[str, int]
    most: int
    verified: Mapping[str, Mapping[str, float]] | None
    hierarchy: Hierarchy
    noise: float = 0.0
    noise_seed: int = 0

    def numbers(self, record: Record) -> Int32[np.ndarray, " most"]:
        """Returns the numbers of the record's labels in its own order, -1 behind them; others have no number.

        With a hierarchy or a verified table, those behind the record's own are what follows from them, sorted.
        """
        own = self._own(record)
        there = self._known(record)[0] - {*own}
        known = [self.places[label] for label in own if label in self.places]
        known += sorted(self.places[label] for label in there if label in self.places)
        numbers = np.full(self.most, -1, np.int32)
        numbers[: len(known)] = known[: self.most]
        return numbers

    def states(self, record: Record) -> Int8[np.ndarray, " labels"]:
        """Returns of each label 1 where the record has it, 0 where it does not, -1 where nobody knows."""
        yes, no = self._known(record)
        # Of a single label that is missing, as of what nobody has verified, nothing is known.
        unknown = self.verified is not None or (self.of != "tags" and not yes)
        states = np.full(len(self.places), -1 if unknown else 0, np.int8)
        for labels, state in ((no, 0), (yes, 1)):
            states[[self.places[label] for label in labels if label in self.places]] = state
        return states

    def _known(self, record: Record) -> tuple[set[str], set[str]]:
        return yes_and_no(self._own(record), (self.verified or {}).get(record.id, {}), self.hierarchy)

    def _own(self, record: Record) -> Sequence[str]:
        own = OF[self.of](record)
        return self._mistaken(record.id, own) if self.noise else own

    def _mistaken(self, identifier: str, own: Sequence[str]) -> Sequence[str]:
        """Of each label, itself or with probability `noise` another: planted mistakes, as those of a classifier."""
        key = np.array([self.noise_seed, hash64(identifier)], np.uint64)
        dice = np.random.Generator(np.random.Philox(key=key))
        wrong = dice.random(len(own)) < self.noise
        others = dice.integers(len(self._labels), size=len(own))
        said = (
            self._labels[other] if is_wrong else label
            for label, is_wrong, other in zip(own, wrong, others.tolist(), strict=True)
        )
        return tuple(dict.fromkeys(said))

    @functools.cached_property
    def _labels(self) -> tuple[str, ...]:
        return tuple(self.places)


def load_vocabulary(name: str, entry: Mapping[str, Any], sources: Mapping[str, Any]) -> Vocabulary:
    """Reads an entry of `data.labels`, as configs/settings/data.py describes it.

    Args:
      name: of the entry.
      entry: its settings.
      sources: `data.sources`, whose labels they may be.

    Raises:
      ValueError: a file is missing or of another form; names the entry.
    """
    path, of = entry["path"], entry["of"]
    try:
        labels = read_labels(path, entry["column"]) if path else source_labels(entry["source"], sources, of)
        verified = read_verified(entry["verified"]) if entry["verified"] else None
        hierarchy = read_hierarchy(entry["hierarchy"]) if entry["hierarchy"] else Hierarchy()
    except ValueError as error:
        raise UserError(f"data.labels.{name}: {error}") from None
    places = {label: place for place, label in enumerate(labels)}
    noise, seed = entry["noise"], entry["noise_seed"]
    return Vocabulary(name, of, places, entry["most"], verified, hierarchy, noise, seed)


@dataclass(frozen=True)
class LabelNumbers:
    """NAME_ids int32 [b, most]: the numbers of the record's labels, -1 behind them."""

    vocabulary: Vocabulary

    def shapes(self) -> Shapes:
        return {f"{self.vocabulary.name}_ids": ((self.vocabulary.most,), np.dtype(np.int32))}

    def show(self, visit: Visit) -> np.ndarray:
        return self.vocabulary.numbers(visit.record)

    def collate(self, shown: Sequence[np.ndarray], batch: Batch) -> None:
        batch[f"{self.vocabulary.name}_ids"] = np.stack(shown)


@dataclass(frozen=True)
class LabelStates:
    """NAME int8 [b, labels]: 1 = the record has the label, 0 = it does not, -1 = nobody knows."""

    vocabulary: Vocabulary

    def shapes(self) -> Shapes:
        return {self.vocabulary.name: ((len(self.vocabulary.places),), np.dtype(np.int8))}

    def show(self, visit: Visit) -> np.ndarray:
        return self.vocabulary.states(visit.record)

    def collate(self, shown: Sequence[np.ndarray], batch: Batch) -> None:
        batch[self.vocabulary.name] = np.stack(shown)
