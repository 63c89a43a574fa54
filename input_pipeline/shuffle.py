"""An endless order over a source: every epoch whole, and each in an order of its own."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass, field

import numpy as np
from grain.experimental import index_shuffle
from jaxtyping import UInt32

_FEW = 1 << 16


@dataclass(frozen=True)
class Epochs:
    """Element i is the record that visit i to a source of `length` records shows.

    The source's name is part of the seed, so that adding another source does not change the order of this one.
    """

    length: int
    seed: int
    name: str
    key: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        digest = hashlib.sha256(f"{self.seed}/{self.name}".encode()).digest()
        object.__setattr__(self, "key", int.from_bytes(digest[:4], "little"))

    def __getitem__(self, visit: int) -> int:
        epoch, place = divmod(visit, self.length)
        return shuffled(place, self.length, self.key, epoch)

    def any(self, dice: np.random.Generator) -> int:
        """Returns a random record."""
        return int(dice.integers(self.length))


def shuffled(place: int, length: int, key: int, epoch: int = 0) -> int:
    """Tells which of `length` items stands at a place of the order that (key, epoch) names; in constant time."""
    if length > _FEW:
        return index_shuffle(place, max_index=length - 1, seed=(key + epoch) % 2**32, rounds=4)
    # Grain 0.2.18 searches at least 2^16 places for each index: 16 us for 3000 records, 2 ms for a dozen.
    return int(_permutation(length, key, epoch)[place])


@functools.lru_cache(maxsize=256)  # of at most 256 KB each
def _permutation(length: int, key: int, epoch: int) -> UInt32[np.ndarray, " length"]:
    dice = np.random.Generator(np.random.Philox(key=np.array([key, epoch], np.uint64)))
    return dice.permutation(length).astype(np.uint32)
