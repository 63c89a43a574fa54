"""Random numbers that know no order: every roll is keyed by (seed, global index, purpose)."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

# Purposes that had a number before names were hashed: it keeps the streams of that time.
_NUMBERED: Mapping[str, int] = {"image": 0, "text": 1, "replacement": 2}


class Dice:
    """Deals a generator for each (global index, purpose). One thread's: a deal takes back the purpose's last one.

    A purpose's rolls depend on its name alone, so that another purpose never shifts them. Setting the state of
    a generator that is there takes 1 us, a new one 17 us.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._bits: dict[str, tuple[np.random.Philox, np.random.Generator]] = {}

    def roll(self, index: int, purpose: str, attempt: int = 0) -> np.random.Generator:
        """Makes a generator: Philox (Salmon et al. 2011) with key (seed, index) and counter (0, 0, attempt,
        purpose)."""
        if purpose not in self._bits:
            bits = np.random.Philox(0)
            self._bits[purpose] = bits, np.random.Generator(bits)
        bits, generator = self._bits[purpose]
        counter, key = (0, 0, attempt, _number(purpose)), (self._seed, index)
        state: Any = {
            "bit_generator": "Philox",
            "state": {"counter": counter, "key": key},
            "buffer": (0, 0, 0, 0),
            "buffer_pos": 4,  # nothing is left of a block of four
            "has_uint32": 0,
            "uinteger": 0,
        }
        bits.state = state
        return generator


@functools.cache
def _number(purpose: str) -> int:
    digest = hashlib.sha256(purpose.encode()).digest()
    return _NUMBERED.get(purpose, int.from_bytes(digest[:8], "little"))
