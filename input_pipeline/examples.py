"""One training example as a pure function of (seed, global index); bad records are replaced and counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from input_pipeline.decode import MAX_PIXELS, open_picture
from input_pipeline.records import BadRecord, Reason, Record
from input_pipeline.sources import Source
from input_pipeline.views.image import TrainingView
from input_pipeline.views.resize import Square
from input_pipeline.views.text import TextView

_ATTEMPTS = 100  # at half bad records, all of them fail once in 10^30 examples


class Address(NamedTuple):
    """Where a record lies: which source, and which of its records."""

    source: str
    record: int


@dataclass(frozen=True, slots=True)
class Example:
    """What one global index shows. `replaced` is the reason why its own record could not be used, else OK."""

    image: Square
    text: str
    index: int
    replaced: Reason


@dataclass(frozen=True)
class Examples:
    """From (global index, address) to the Example; called by grain's `map_with_index`.

    Every purpose rolls its own dice, keyed by (seed, global index): more dice for the image never shift those
    for the text, and neither hosts nor workers can.
    """

    sources: Mapping[str, Source]
    image_view: TrainingView
    text_view: TextView
    seed: int
    max_pixels: int = MAX_PIXELS

    def __call__(self, index: int, address: Address) -> Example:
        reason = Reason.OK
        detail = ""
        for attempt in range(_ATTEMPTS):
            try:
                image, text = self._views(self._read(address), index)
            except BadRecord as bad:
                reason, detail = reason or bad.reason, str(bad)
                address = self._replacement(address, index, attempt)
            else:
                return Example(image, text, index, reason)
        raise ValueError(
            f"source '{address.source}': {_ATTEMPTS} records in a row are unusable, the last one: {detail}"
        )

    def _read(self, address: Address) -> Record:
        return self.sources[address.source][address.record]

    def _views(self, record: Record, index: int) -> tuple[Square, str]:
        text = self.text_view(record, self._dice(index, "text"))
        if record.image is None:
            raise BadRecord(Reason.MISSING_IMAGE, f"record '{record.id}' has no image")
        picture = open_picture(record.image, self.max_pixels)
        return self.image_view(picture, self._dice(index, "image")), text

    def _replacement(self, address: Address, index: int, attempt: int) -> Address:
        """Another record of the same source, so that mixture weights hold."""
        dice = self._dice(index, "replacement", attempt)
        return Address(address.source, int(dice.integers(len(self.sources[address.source]))))

    def _dice(self, index: int, purpose: str, attempt: int = 0) -> np.random.Generator:
        counter = np.array([0, 0, attempt, _PURPOSES.index(purpose)], np.uint64)
        key = np.array([self.seed, index], np.uint64)
        return np.random.Generator(np.random.Philox(key=key, counter=counter))


# Append only: a purpose's place is part of its key.
_PURPOSES: Sequence[str] = ("image", "text", "replacement")
