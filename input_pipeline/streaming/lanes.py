"""The order of a stream whose records lie in shards: few shards at a time, and each host its own.

The rows of a batch form lanes, contiguous and equally many, whatever hosts there are: a host has the lanes of its rows.
In each epoch the shards lie one after the other in an order of their own, and each lane has its stretch of that: it
goes through it window by window, and shuffles the records of a window. Every second lane goes backwards, so that the
shard on the border of two lanes is read by both at the same time. So a host reads its share of the shards, and a record
moves within its window. The source of a row is decided within its lane, by the same rule as without lanes.
"""

from __future__ import annotations

import functools
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from input_pipeline.errors import UserError
from input_pipeline.mixture import Address, Mixture, turn
from input_pipeline.shuffle import Epochs, shuffled

MOST_LANES = 64
_STEPS = 4  # of a window, in which the next one is fetched


class Windows:
    """The order in which one source's records are visited, by lane and visit of the lane."""

    def __init__(
        self,
        sizes: Sequence[int],
        lanes: int,
        window: int,
        seed: int,
        name: str,
        expect: Callable[[list[int]], None],
    ) -> None:
        """Describes the order.

        Args:
          sizes: records of each shard.
          lanes: that read them.
          window: records that are shuffled together.
          seed: of all orders.
          name: of the source, which is part of the seed.
          expect: told the shards of the window to come.
        """
        self.length = sum(sizes)
        self._sizes, self._lanes, self._window, self._expect = tuple(sizes), lanes, window, expect
        self._key = Epochs(1, seed, name).key
        self._firsts = [0, *accumulate(sizes)]

    def record(self, lane: int, visit: int) -> int:
        """Returns the record that a lane shows at its visit."""
        start, end = (place * self.length // self._lanes for place in (lane, lane + 1))
        epoch, place = divmod(visit, end - start)
        window, inside = divmod(place, self._window)
        step = max(1, self._window // _STEPS)
        if inside % step == 0:  # a part of the next window's with each step, all of them with the last
            coming = sorted(self._shards(lane, epoch, window + 1, start, end))
            self._expect(coming[: -(-len(coming) * (inside // step + 1) // _STEPS)])
        first = window * self._window
        count = min(self._window, end - start - first)
        mixed = first + shuffled(inside, count, self._key ^ (lane + 1), epoch * 65_521 + window)
        return self._at(epoch, end - 1 - mixed if lane % 2 else start + mixed)

    def near(self, record: int, dice: np.random.Generator) -> int:
        """Returns a random record of the same shard."""
        shard = bisect_right(self._firsts, record) - 1
        return self._firsts[shard] + int(dice.integers(self._sizes[shard]))

    def _shards(self, lane: int, epoch: int, window: int, start: int, end: int) -> set[int]:
        """The shards of a window; after the last, of the first of the next epoch."""
        if window * self._window >= end - start:
            epoch, window = epoch + 1, 0
        low, high = window * self._window, min((window + 1) * self._window, end - start)
        low, high = (end - high, end - low) if lane % 2 else (start + low, start + high)
        order, ends = _laid_out(self._sizes, self._key, epoch)
        return {order[place] for place in range(bisect_right(ends, low), bisect_right(ends, high - 1) + 1)}

    def _at(self, epoch: int, position: int) -> int:
        """The record at a position of an epoch's shards, one after the other."""
        order, ends = _laid_out(self._sizes, self._key, epoch)
        place = bisect_right(ends, position)
        return self._firsts[order[place]] + position - (ends[place - 1] if place else 0)


@functools.lru_cache(maxsize=8)
def _laid_out(sizes: tuple[int, ...], key: int, epoch: int) -> tuple[list[int], list[int]]:
    """The shards of an epoch in their order, and where each ends."""
    dice = np.random.Generator(np.random.Philox(key=np.array([key, epoch], np.uint64)))
    order = dice.permutation(len(sizes)).tolist()
    return order, list(accumulate(sizes[shard] for shard in order))


class Lanes(Mixture):
    """Addresses by global index where some sources are streamed; the others are shuffled whole as ever."""

    def __init__(
        self,
        records: Mapping[str, Sequence[int]],
        weights: Mapping[str, float],
        seed: int,
        orders: Mapping[str, Any],
        windows: Mapping[str, Windows],
        *,
        batch_size: int,
        lanes: int,
    ) -> None:
        """Describes the mixture.

        Args:
          records: by source, the records to use.
          weights: share of each source.
          seed: of all orders.
          orders: of the sources that are not streamed.
          windows: of those that are.
          batch_size: rows of a global batch.
          lanes: that they form; it divides them.
        """
        super().__init__(records, weights, seed, orders=orders)
        self._windows, self._batch, self._lanes = windows, batch_size, lanes

    def address(self, index: int) -> Address:
        """Returns the record of a global index."""
        batch, row = divmod(index, self._batch)
        rows = self._batch // self._lanes
        lane, place = divmod(row, rows)
        source, visit = (
            turn(batch * rows + place, self._parts) if len(self.names) > 1 else (0, batch * rows + place)
        )
        name = self.names[source]
        if name in self._windows:
            return Address(name, self._windows[name].record(lane, visit))
        return Address(name, self._records[name][self._orders[source][visit * self._lanes + lane]])

    def another(self, address: Address, dice: np.random.Generator) -> Address:
        """Returns a random record of the same source; of a streamed one, of the same shard."""
        if address.source in self._windows:
            return Address(address.source, self._windows[address.source].near(address.record, dice))
        return super().another(address, dice)


def lanes_of(batch_size: int, asked: int) -> int:
    """Returns how many lanes the rows of a batch form: those asked for, or the most that divide them.

    Raises:
      ValueError: those asked for do not divide the batch.
    """
    if asked:
        if batch_size % asked:
            raise UserError(f"data.lanes={asked} does not divide batch_size={batch_size}")
        return asked
    return max(lanes for lanes in range(1, min(batch_size, MOST_LANES) + 1) if batch_size % lanes == 0)
