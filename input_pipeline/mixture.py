"""Which record a global index stands for: sources take turns by weight, and every source runs whole epochs.

All of it is closed form: the address of any index costs a few microseconds, however far into the stream.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64

from input_pipeline.errors import UserError
from input_pipeline.shuffle import Epochs
from input_pipeline.thinned import Thinned

_PARTS = 1 << 20  # weights are kept to a millionth of their sum
_WINDOW = 1024  # batches whose sources are shuffled together


class Address(NamedTuple):
    """Says where a record lies: which source, and which of its records."""

    source: str
    record: int


class Mixture:
    """Addresses by global index.

    Attributes:
      names: of the sources, sorted.
      places: each source's place among them.
    """

    def __init__(
        self,
        records: Mapping[str, Sequence[int]],
        weights: Mapping[str, float],
        seed: int,
        single_source: int = 0,
        orders: Mapping[str, Epochs | Thinned] = types.MappingProxyType({}),
    ) -> None:
        """Describes the mixture.

        Args:
          records: by source, the records to use; they are shuffled anew in each epoch of theirs.
          weights: share of each source, relative to their sum; positive.
          seed: of all orders.
          single_source: 0 mixes record by record; else this many records in a row, a global batch, are of one
            source, and the batches of the sources follow each other in random order.
          orders: by source, in which its records are visited; where there is none, in epochs of all of them.

        Raises:
          ValueError: a source without records, or no source.
        """
        if not records:
            raise UserError("data.sources has no source with a positive weight")
        for name, chosen in records.items():
            if not len(chosen):
                raise UserError(f"source '{name}' has no records")
        self.names = tuple(sorted(records))
        self.places = {name: place for place, name in enumerate(self.names)}
        self._records = {name: records[name] for name in self.names}
        self._orders = [orders.get(name) or Epochs(len(records[name]), seed, name) for name in self.names]
        total = sum(weights[name] for name in self.names)
        self._parts = tuple(max(1, round(_PARTS * weights[name] / total)) for name in self.names)
        self._seed, self._single_source = seed, single_source

    def address(self, index: int) -> Address:
        """Returns the record of a global index."""
        if len(self.names) == 1:
            source, visit = 0, index
        elif self._single_source:
            batch, row = divmod(index, self._single_source)
            source, earlier = _shuffled_turn(batch, self._parts, self._seed)
            visit = earlier * self._single_source + row
        else:
            source, visit = turn(index, self._parts)
        name = self.names[source]
        return Address(name, self._records[name][self._orders[source][visit]])

    def shares(self) -> dict[str, tuple[int, float]]:
        """Returns of each source how many records an epoch of it has, and its share of all indices."""
        total = sum(self._parts)
        return {
            name: (order.length, part / total)
            for name, order, part in zip(self.names, self._orders, self._parts, strict=True)
        }

    def records(self, source: str) -> Sequence[int]:
        """Returns the records of a source that are used."""
        return self._records[source]

    def another(self, address: Address, dice: np.random.Generator) -> Address:
        """Returns a random record of the same source."""
        order = self._orders[self.places[address.source]]
        return Address(address.source, self._records[address.source][order.any(dice)])


def turn(index: int, parts: Sequence[int]) -> tuple[int, int]:
    """Tells whose turn it is, and how many turns it had before: the shares hold in every stretch, to within a few.

    The first source takes its share of all turns, evenly spread, the next its share of what is left, and so on:
    the rule of grain's `mix`.
    """
    left, after, remaining = index, index + 1, sum(parts)
    for source, part in enumerate(parts):
        rest, rest_after = left * (remaining - part) // remaining, after * (remaining - part) // remaining
        if left - rest != after - rest_after:
            return source, left - rest
        left, after, remaining = rest, rest_after, remaining - part
    raise AssertionError(f"no source has turn {index} of {parts}")


def _shuffled_turn(index: int, parts: tuple[int, ...], seed: int) -> tuple[int, int]:
    """As `turn`, with the turns within a window in random order."""
    window, place = divmod(index, _WINDOW)
    sources, earlier = _window(window, parts, seed)
    return int(sources[place]), int(earlier[place])


@functools.lru_cache(maxsize=8)
def _window(
    window: int, parts: tuple[int, ...], seed: int
) -> tuple[Int64[np.ndarray, " window"], Int64[np.ndarray, " window"]]:
    """The source of each batch of a window, and how many batches it had before."""
    turns = np.array([turn(index, parts) for index in range(window * _WINDOW, (window + 1) * _WINDOW)])
    order = np.random.Generator(np.random.Philox(key=np.array([seed, window], np.uint64))).permutation(
        _WINDOW
    )
    sources = turns[order, 0]
    earlier = np.empty(_WINDOW, np.int64)
    for source in np.unique(sources):
        # The numbers of its turns stay in their order, so that its epochs stay whole.
        earlier[sources == source] = np.sort(turns[order, 1][sources == source])
    return sources, earlier
