"""An endless order over a source of which each record comes with a probability of its own in every epoch."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from input_pipeline.errors import UserError
from input_pipeline.shuffle import Epochs, shuffled
from input_pipeline.sources import Source
from input_pipeline.subsets import ids_of
from input_pipeline.tables import load_table


@dataclass(frozen=True, eq=False)
class Thinned:
    """Element i is the record that visit i shows. No record comes twice in an epoch, and each with its probability.

    Systematic sampling (Madow, 1949): records lie one after the other, each as long as its probability, in an order of
    their own; an epoch takes what lies under points at equal distances, of which the first is random. So an epoch has
    one length, and any visit is found in the time of a search, whichever came before.

    Attributes:
      probabilities: of the records in use, in [0, 1]; not all 0.
      length: visits of an epoch, the sum of them, rounded down.
    """

    probabilities: Float[np.ndarray, " n"]
    seed: int
    name: str
    length: int = field(init=False)
    _order: Int[np.ndarray, " n"] = field(init=False, repr=False)
    _ends: Float[np.ndarray, " n"] = field(init=False, repr=False)
    _key: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        key = Epochs(1, self.seed, self.name).key
        order = np.random.Generator(np.random.Philox(key=[key, 1 << 32])).permutation(len(self.probabilities))
        ends = np.cumsum(self.probabilities[order], dtype=np.float64)
        found = {"_key": key, "_order": order, "_ends": ends, "length": max(1, int(ends[-1]))}
        for name, value in found.items():
            object.__setattr__(self, name, value)

    def __getitem__(self, visit: int) -> int:
        epoch, place = divmod(visit, self.length)
        point = shuffled(place, self.length, self._key, epoch) + _start(self._key, epoch)
        end = self._ends[-1]
        found = self._ends.searchsorted(min(point * end / self.length, np.nextafter(end, 0)), side="right")
        return int(self._order[found])

    def any(self, dice: np.random.Generator) -> int:
        """Returns a random record, by the probabilities."""
        found = self._ends.searchsorted(dice.random() * self._ends[-1], side="right")
        return int(self._order[min(found, len(self._order) - 1)])


@functools.lru_cache(maxsize=256)
def _start(key: int, epoch: int) -> float:
    return float(np.random.Generator(np.random.Philox(key=[key, epoch])).random())


def order_of(
    source: Source, name: str, entry: Mapping[str, Any], chosen: Sequence[int], seed: int
) -> Epochs | Thinned:
    """Returns the order in which records are visited, as an entry of `data.sources` says: all, or by probabilities.

    Probabilities are read once, with the ids of all records.

    Args:
      source: all of its records.
      name: of the source.
      entry: with `keep_probability`, a table of ids and probabilities, and `keep_column` where it says one.
      chosen: the records in use.
      seed: of all orders.

    Raises:
      ValueError: the table cannot be read, holds what is no probability, or none of a record in use.
    """
    path = entry.get("keep_probability", "")
    if not path:
        return Epochs(len(chosen), seed, name)
    where, column = f"data.sources.{name}.keep_probability", entry.get("keep_column") or "balance_probability"
    table = load_table(column, {"path": path, "missing": "fill"}, where=where)
    low, high = table.values.min(), table.values.max()
    if table.values.ndim > 1 or low < 0 or high > 1:
        raise UserError(
            f"{where}: '{column}' of {path} reaches from {low:g} to {high:g}: probabilities lie in [0, 1]"
        )
    every = np.array([float(table.of(name, one)) if one else 0.0 for one in ids_of(source)])
    own = every[np.asarray(chosen, np.int64)]
    if not own.any():
        first = next(filter(None, ids_of(source)), "")
        raise UserError(
            f"{where}: {path} has no probability above 0 for any of {len(chosen)} records of source '{name}', such as "
            f"'{first}'; it has some for {table.example}"
        )
    return Thinned(own, seed, name)
