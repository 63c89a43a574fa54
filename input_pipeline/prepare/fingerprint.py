"""Near-duplicates: a fingerprint that is near where images look alike, and which of them were seen before."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, UInt8, UInt64
from PIL import Image

KEY_BYTES, BYTES = (
    8,
    80,
)  # of a fingerprint: the key that finds candidates, and with it the thumbnail that decides
_BITS, _DISTANCE = 64, 3  # of a key, and how many of them may differ
_BANDS = _DISTANCE + 1
_BAND = np.uint64(_BITS // _BANDS)
_BELOW_BAND = ~np.uint64(0) >> _BAND
_MARGIN = 3.0  # of 255: what is flat but for compression noise counts as flat
# Mean brightness and mean colour, as a bit for each level that is passed: near values differ in few bits.
_LEVELS = np.array(
    ((48, 96, 144, 192, 232), (100, 118, 138, 156, 180), (100, 118, 138, 156, 180)), np.float32
)
_STRIDE = 37  # odd: bit i goes to i * 37 mod 64, so that every band of bits comes from all over the image
_RECENT = 1024

Fingerprints = UInt8[np.ndarray, "n 80"]


def fingerprint(image: Image.Image) -> bytes:
    """Returns a key of 64 bits, and a thumbnail: 8 x 8 cells of brightness and 2 x 2 of either colour channel.

    The key is a difference hash (dHash) of 49 bits, each saying whether a cell is brighter than its left neighbour,
    and 15 bits of mean brightness and colour. Hashes alone would take one clock for another with other hands.

    Args:
      image: RGB, of any size.
    """
    cells = np.asarray(image.resize((8, 8), Image.Resampling.BOX).convert("YCbCr"), np.float32)
    rises = cells[:7, 1:, 0] - cells[:7, :-1, 0] > _MARGIN
    levels = cells.mean((0, 1))[:, None] > _LEVELS
    bits = np.zeros(_BITS, np.uint8)
    bits[np.arange(_BITS) * _STRIDE % _BITS] = np.concatenate([rises.ravel(), levels.ravel()])
    colour = cells[..., 1:].reshape(2, 4, 2, 4, 2).mean((1, 3))
    return (
        np.packbits(bits).tobytes()
        + np.concatenate([cells[..., 0].ravel(), colour.ravel()]).astype("u1").tobytes()
    )


class Seen:
    """The fingerprints that were kept so far, searched for near ones.

    Near are two whose thumbnails differ by at most `tolerance` in any cell, and whose keys differ in at most three
    bits: these agree in one of four bands of 16 bits, so a sorted copy of the keys for each band, rotated so that the
    band comes first, finds them. That takes 128 bytes a fingerprint (10 million images: 1.3 GB), and up to twice as
    much while arrays grow.
    """

    def __init__(self, tolerance: int) -> None:
        """Remembers nothing yet; `tolerance` is in levels of 255."""
        self._tolerance = tolerance
        self._levels: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in range(_BANDS)]
        self._rows = np.zeros((_RECENT, BYTES), np.uint8)
        self._count = self._sorted = 0  # fingerprints, and how many of them the sorted copies hold

    def keep_new(self, rows: Fingerprints) -> Bool[np.ndarray, " n"]:
        """Marks those that nothing before them is near to, in here or earlier; they are remembered."""
        new, keys = ~self._known(rows), _keys(rows)
        row, earlier = np.nonzero(np.tril(np.bitwise_count(keys ^ keys[:, None]) <= _DISTANCE, -1))
        alike = self._alike(rows[row], rows[earlier])
        for i, j in zip(row[alike].tolist(), earlier[alike].tolist(), strict=True):  # in order of i
            new[i] &= not new[j]
        self.remember(rows[new])
        return new

    def remember(self, rows: Fingerprints) -> None:
        """Adds fingerprints that are known to be new."""
        end = self._count + len(rows)
        if end > len(self._rows):
            larger = np.zeros((max(end, len(self._rows) * 3 // 2), BYTES), np.uint8)
            larger[: self._count] = self._rows[: self._count]
            self._rows = larger
        self._rows[self._count : end] = rows
        self._count = end
        if self._count - self._sorted >= _RECENT:
            keys = _keys(self._rows[self._sorted : end])
            for band, levels in enumerate(self._levels):
                _push(levels, _rotated(keys, band), np.arange(self._sorted, end, dtype=np.uint32))
            self._sorted = end

    def _known(self, rows: Fingerprints) -> Bool[np.ndarray, " n"]:
        known, keys = np.zeros(len(rows), bool), _keys(rows)
        recent = _keys(self._rows[self._sorted : self._count])
        row, place = np.nonzero(np.bitwise_count(recent ^ keys[:, None]) <= _DISTANCE)
        known[row[self._alike(rows[row], self._rows[place + self._sorted])]] = True
        for band, levels in enumerate(self._levels):
            wanted = _rotated(keys, band)
            for level, places in levels:
                row, place = _candidates(level, wanted)
                known[row[self._alike(rows[row], self._rows[places[place]])]] = True
        return known

    def _alike(self, some: Fingerprints, others: Fingerprints) -> Bool[np.ndarray, " n"]:
        """Whether the thumbnails of two rows are near, row by row."""
        difference = np.abs(some[:, KEY_BYTES:].astype(np.int16) - others[:, KEY_BYTES:])
        return (difference <= self._tolerance).all(1)


def _candidates(level: np.ndarray, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (which of the keys, place in the sorted level) that agree in the first band and differ in few bits."""
    first = np.searchsorted(level, keys & ~_BELOW_BAND)
    counts = np.searchsorted(level, keys | _BELOW_BAND, "right") - first
    key = np.repeat(np.arange(len(keys)), counts)
    place = np.arange(len(key)) + np.repeat(first - (np.cumsum(counts) - counts), counts)
    near = np.bitwise_count(level[place] ^ keys[key]) <= _DISTANCE
    return key[near], place[near]


def _keys(rows: Fingerprints) -> UInt64[np.ndarray, " n"]:
    return np.ascontiguousarray(rows[:, :KEY_BYTES]).view("<u8")[:, 0]


def _rotated(keys: np.ndarray, band: int) -> np.ndarray:
    shift = np.uint64(band) * _BAND
    return keys << shift | keys >> (np.uint64(_BITS) - shift) if band else keys


def _push(levels: list[tuple[np.ndarray, np.ndarray]], keys: np.ndarray, places: np.ndarray) -> None:
    """Add keys and where they are from; arrays of like size are merged: there are logarithmically many."""
    while levels and len(levels[-1][0]) <= 2 * len(keys):
        more = levels.pop()
        keys, places = np.concatenate([more[0], keys]), np.concatenate([more[1], places])
    order = np.argsort(keys, kind="stable")
    levels.append((keys[order], places[order]))
