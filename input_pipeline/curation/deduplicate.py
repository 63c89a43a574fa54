"""Less is More (Wolf et al., 2024, arXiv 2410.14524): one of images with near-equal difference hashes in a group.

In order, an image stays unless one of its group that stayed differs from it in at most `distance` of 64 bits.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from input_pipeline.curation.step import Decision, Item, Step
from input_pipeline.curation.where import values_of
from input_pipeline.decode import decode_image
from input_pipeline.records import BadRecord


def difference_hash(thumbnail: UInt8[np.ndarray, "8 9"]) -> int:
    """Returns 64 bits, row by row from the highest: whether a cell is brighter than its left neighbour (dHash)."""
    return int.from_bytes(np.packbits(thumbnail[:, 1:] > thumbnail[:, :-1]).tobytes(), "big")


def thumbnail_of(image: Image.Image) -> UInt8[np.ndarray, "8 9"]:
    """Returns an image in grey, 9 cells wide and 8 high."""
    return np.asarray(image.convert("L").resize((9, 8), Image.Resampling.LANCZOS))


class Kept:
    """Remembers the hashes of a group that stayed."""

    def __init__(self) -> None:
        """Knows none yet."""
        self._hashes, self.ids = np.zeros(4, np.uint64), list[str]()

    def nearest(self, value: int) -> tuple[int, str]:
        """Returns in how many bits the nearest one differs, 65 where there is none, and its id."""
        if not self.ids:
            return 65, ""
        distances = np.bitwise_count(self._hashes[: len(self.ids)] ^ np.uint64(value))
        place = int(distances.argmin())
        return int(distances[place]), self.ids[place]

    def add(self, value: int, identifier: str) -> None:
        """Remembers one that stays."""
        if len(self.ids) == len(self._hashes):
            self._hashes = np.concatenate([self._hashes, np.zeros_like(self._hashes)])
        self._hashes[len(self.ids)] = value
        self.ids.append(identifier)


class Deduplicate(Step):
    """Drops images that look like an earlier one of their group."""

    COLUMNS: ClassVar[Mapping[str, str]] = {"distance": "int32"}

    surveys = True

    def __init__(self, config: Mapping[str, Any], *, name: str, seed: int) -> None:
        """Knows no duplicates yet."""
        super().__init__(config, name=name, seed=seed)
        self._said: dict[int, tuple[int, str]] = {}

    def survey(self, items: Sequence[Item]) -> Any:
        """Hashes every image: [number, id, group, hash, what is wrong]."""
        return [self._hashed(item) for item in items]

    def settle(self, surveys: Iterator[Any]) -> Any:
        """Finds, group by group, which images stay; of each the distance to the nearest that stayed before."""
        groups: defaultdict[str, Kept] = defaultdict(Kept)
        said = []
        for number, identifier, group, value, wrong in (row for survey in surveys for row in survey):
            if wrong:
                said.append((number, -1, wrong))
                continue
            distance, nearest = groups[group].nearest(value)
            said.append((number, distance, nearest))
            if distance > self.config["distance"]:
                groups[group].add(value, identifier)
        return said

    def begin(self, plan: Any) -> None:
        """Takes what was found."""
        self._said = {number: (distance, said) for number, distance, said in plan}

    def __call__(self, item: Item) -> Decision:
        """Drops those that are near an earlier one."""
        distance, said = self._said[item.number]
        if distance < 0:
            return Decision("no usable image", said)
        if distance > self.config["distance"]:
            return Decision(scores={"distance": distance})
        return Decision("near-duplicate", f"{distance} bits from {said}", {"distance": distance})

    def _hashed(self, item: Item) -> tuple[int, str, str, int, str]:
        group = self.config["group"]
        key = "\0".join(map(str, values_of(item, group))) if group else ""
        try:
            image = Image.fromarray(decode_image(item.record.image or b""))
        except BadRecord as bad:
            return item.number, item.record.id, key, 0, str(bad)
        return item.number, item.record.id, key, difference_hash(thumbnail_of(image)), ""
