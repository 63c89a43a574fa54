"""Near-equal bit strings among millions, exactly: which stay if one of each heap does, in the order they come in.

A string is looked for by its blocks of 16 bits. If two strings of m blocks differ in at most d bits, they differ in
some block by no more than its share of d - m + 1 bits (the pigeonhole principle as of Qin et al., 2018, "GPH:
Similarity Search in Hamming Space"), so that a few buckets a block hold all that is near.
"""

from __future__ import annotations

import functools
import itertools

import numpy as np
from jaxtyping import Bool, Int, Integer, UInt16, UInt64

from input_pipeline.curation.near import Near, first_come

_CHUNK = 512  # strings that are compared with each other, each with each
_BLOCK = 16  # bits
_PAIRS = 1 << 21  # compared at once
_FEW = 1024  # strings that are compared without buckets


def near_before(hashes: UInt64[np.ndarray, "n words"], distance: int) -> Near:
    """Finds, in order, which strings are near one that stayed; every other one stays.

    Takes about 100 bytes a string that stays, and a time that grows a little faster than their number.

    Args:
      hashes: 64 bits a word.
      distance: bits in which strings that are near differ at most.
    """
    near = Near(np.full(len(hashes), -1, np.int16), np.full(len(hashes), -1, np.int64))
    kept = _Kept(hashes.shape[1], distance)
    for first in range(0, len(hashes), _CHUNK):
        rows = slice(first, first + _CHUNK)
        before = kept.nearest(hashes[rows])
        own = _among(hashes[rows], before.distance < 0, distance)
        closer = (own.distance >= 0) & ((before.distance < 0) | (own.distance < before.distance))
        near.distance[rows] = np.where(closer, own.distance, before.distance)
        near.place[rows] = np.where(closer, own.place + first, before.place)
        stay = np.flatnonzero(near.distance[rows] < 0)
        kept.add(hashes[rows][stay], stay + first)
    return near


def distances(
    one: UInt64[np.ndarray, "... words"], other: UInt64[np.ndarray, "... words"]
) -> Integer[np.ndarray, ...]:
    """Returns in how many bits strings differ."""
    bits = np.bitwise_count(one ^ other)
    return bits[..., 0] if bits.shape[-1] == 1 else bits.sum(-1, dtype=np.int16)


def _among(hashes: UInt64[np.ndarray, "n words"], free: Bool[np.ndarray, " n"], distance: int) -> Near:
    """As `near_before`, of few strings, of which only `free` ones can stay."""
    bits = distances(hashes[:, None], hashes[None])
    near = np.triu(bits <= distance, 1)
    near &= first_come(near, free)[:, None]
    masked = np.where(near, bits, np.iinfo(bits.dtype).max)
    place, any_near = masked.argmin(0), near.any(0)
    found = np.take_along_axis(masked, place[None], 0)[0].astype(np.int16)
    return Near(np.where(any_near, found, -1), np.where(any_near, place, -1))


class _Kept:
    """Remembers strings that stayed: most of them in one set of buckets, the newest in another that is made anew."""

    def __init__(self, words: int, distance: int) -> None:
        self.distance, self.radii = distance, _radii(words * 64 // _BLOCK, distance)
        self.lists = sum(len(_masks(radius)) for radius in self.radii if radius >= 0)
        nothing = np.zeros((0, words), np.uint64), np.zeros(0, np.int64)
        self.old, self.new = (_Buckets(*nothing, self.radii) for _ in range(2))

    def add(self, hashes: UInt64[np.ndarray, "n words"], places: Int[np.ndarray, " n"]) -> None:
        self.new = self.new.with_more(hashes, places)
        if len(self.new.places) > max(_FEW, len(self.old.places) // 8):
            self.old = self.old.with_more(self.new.hashes, self.new.places)
            self.new = _Buckets(self.new.hashes[:0], self.new.places[:0], self.radii)

    def nearest(self, rows: UInt64[np.ndarray, "n words"]) -> Near:
        found = [part for one in (self.old, self.new) for part in one.near(rows, self.distance, self.lists)]
        row, bits, place = (np.concatenate(parts) for parts in zip(*found, strict=True))
        order = np.lexsort((place, bits, row))
        row, first = np.unique(row[order], return_index=True)
        near = Near(np.full(len(rows), -1, np.int16), np.full(len(rows), -1, np.int64))
        near.distance[row], near.place[row] = bits[order][first], place[order][first]
        return near


_Found = tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"], Int[np.ndarray, " n"]]  # row, bits, place


class _Buckets:
    """Holds strings sorted by each of their blocks, once they are asked for in that way."""

    def __init__(
        self, hashes: UInt64[np.ndarray, "n words"], places: Int[np.ndarray, " n"], radii: tuple[int, ...]
    ) -> None:
        self.hashes, self.places, self.radii = hashes, places, radii

    def with_more(self, hashes: UInt64[np.ndarray, "n words"], places: Int[np.ndarray, " n"]) -> _Buckets:
        return _Buckets(
            np.concatenate([self.hashes, hashes]), np.concatenate([self.places, places]), self.radii
        )

    @functools.cached_property
    def tables(
        self,
    ) -> list[tuple[Int[np.ndarray, " starts"], Int[np.ndarray, " n"], UInt64[np.ndarray, " n words"]]]:
        """Of each block where its values begin, the strings in their order, and these strings."""
        made = []
        for values in _blocks(self.hashes).T:
            order = np.argsort(values, kind="stable").astype(np.int32)
            starts = np.zeros((1 << _BLOCK) + 1, np.int32)
            np.cumsum(np.bincount(values, minlength=1 << _BLOCK), out=starts[1:])
            made.append((starts, order, self.hashes[order]))
        return made

    def near(self, rows: UInt64[np.ndarray, "n words"], distance: int, lists: int) -> list[_Found]:
        """Finds all that is near; `lists` says how many buckets a string is looked for in."""
        if len(self.places) <= max(_FEW, lists):
            return [self._near_of_all(rows, distance)]
        wanted = _blocks(rows)
        return [
            found
            for block, radius in enumerate(self.radii)
            if radius >= 0
            for found in self._near_by(block, wanted[:, block], radius, rows, distance)
        ]

    def _near_of_all(self, rows: UInt64[np.ndarray, "n words"], distance: int) -> _Found:
        nothing = np.zeros(0, np.int64)
        parts: list[_Found] = [(nothing, nothing, nothing)]
        for first in range(0, len(self.hashes), _PAIRS // _CHUNK):
            bits = distances(rows[:, None], self.hashes[None, first : first + _PAIRS // _CHUNK])
            row, one = np.nonzero(bits <= distance)
            parts.append((row, bits[row, one].astype(np.int16), self.places[first + one]))
        row, near, place = (np.concatenate(some) for some in zip(*parts, strict=True))
        return row, near, place

    def _near_by(
        self,
        block: int,
        values: UInt16[np.ndarray, " n"],
        radius: int,
        rows: UInt64[np.ndarray, "n words"],
        distance: int,
    ) -> list[_Found]:
        starts, order, hashes = self.tables[block]
        buckets = (values[:, None] ^ _masks(radius)).astype(np.int32)
        first, counts = starts[buckets].ravel(), (starts[buckets + 1] - starts[buckets]).ravel()
        row = np.repeat(np.arange(len(rows)), buckets.shape[1])
        found, ends = [], np.cumsum(counts)
        # As many buckets at once as hold so many strings.
        cuts = np.searchsorted(ends, np.arange(_PAIRS, int(ends[-1]), _PAIRS))
        for start, end in itertools.pairwise([0, *np.unique(cuts + 1).tolist(), len(counts)]):
            some = counts[start:end]
            before = np.cumsum(some) - some
            one = np.repeat(first[start:end] - before, some) + np.arange(int(some.sum()))
            of = np.repeat(row[start:end], some)
            bits = distances(hashes[one], rows[of])
            hits = np.flatnonzero(bits <= distance)
            found.append((of[hits], bits[hits].astype(np.int16), self.places[order[one[hits]]]))
        return found


def _blocks(hashes: UInt64[np.ndarray, "n words"]) -> UInt16[np.ndarray, "n blocks"]:
    """Blocks of bits that lie far apart: neighbours are often alike, as in a plain sky, and would crowd in a bucket."""
    bits = np.unpackbits(hashes.view(np.uint8).reshape(len(hashes), -1), axis=1)
    apart = bits.reshape(len(hashes), _BLOCK, -1).swapaxes(1, 2).reshape(len(hashes), -1)
    return np.packbits(apart, axis=1).view(np.uint16)


def _radii(blocks: int, distance: int) -> tuple[int, ...]:
    """Bits by which a block may differ, so that one of them is found whatever the bits; -1 = it is not looked at."""
    each, more = divmod(distance - blocks + 1, blocks)
    return tuple(max(-1, each + (block < more)) for block in range(blocks))


@functools.cache
def _masks(radius: int) -> UInt16[np.ndarray, " masks"]:
    """All numbers of at most `radius` bits."""
    every = np.arange(1 << _BLOCK, dtype=np.uint16)
    return every[np.bitwise_count(every) <= radius]
