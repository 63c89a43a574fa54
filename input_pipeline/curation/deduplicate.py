"""Less is More (Wolf et al., 2024, arXiv 2410.14524): one of images with near-equal hashes in a group.

In order, an image stays unless one of its group that stayed differs from it in at most `distance` bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from jaxtyping import UInt8, UInt64
from PIL import Image

from input_pipeline.curation.groups import Gathered, group_of, near_scores, packed, settled, unpacked
from input_pipeline.curation.hamming import near_before
from input_pipeline.curation.step import Decision, Item, Step
from input_pipeline.curation.where import fields_of
from input_pipeline.decode import decode_image
from input_pipeline.errors import UserError
from input_pipeline.records import BadRecord


def difference_hash(thumbnail: UInt8[np.ndarray, "8 9"]) -> int:
    """Returns 64 bits, row by row from the highest: whether a cell is brighter than its left neighbour (dHash)."""
    return int.from_bytes(np.packbits(thumbnail[:, 1:] > thumbnail[:, :-1]).tobytes(), "big")


def thumbnail_of(image: Image.Image) -> UInt8[np.ndarray, "8 9"]:
    """Returns an image in grey, 9 cells wide and 8 high."""
    return np.asarray(image.convert("L").resize((9, 8), Image.Resampling.LANCZOS))


def _difference(pixels: UInt8[np.ndarray, "height width 3"]) -> bytes:
    return difference_hash(thumbnail_of(Image.fromarray(pixels))).to_bytes(8, "big")


def _pdq(pixels: UInt8[np.ndarray, "height width 3"]) -> bytes:
    """PDQ (Davis and Rosen, 2019), 256 bits, by its authors' own code."""
    import pdqhash

    bits, _ = pdqhash.compute(np.ascontiguousarray(pixels))
    return np.packbits(bits).tobytes()


HASHES: Mapping[str, Callable[[UInt8[np.ndarray, "height width 3"]], bytes]] = {
    "difference": _difference,
    "pdq": _pdq,
}


class Deduplicate(Step):
    """Drops images that look like an earlier one of their group."""

    COLUMNS: ClassVar[Mapping[str, str]] = {"distance": "int32", "nearest": "int64"}

    surveys = True

    def __init__(self, config: Mapping[str, Any], *, name: str, seed: int) -> None:
        """Knows no duplicates yet.

        Raises:
          ValueError: the package that makes the hash is not installed.
        """
        super().__init__(config, name=name, seed=seed)
        self.reads = ("image", *fields_of(config["group"]))
        self._distance, self._nearest = np.zeros(0, np.int16), np.zeros(0, np.int64)
        if config["hash"] == "pdq":
            try:
                import pdqhash  # noqa: F401
            except ImportError:
                raise UserError(
                    f"curation.{name}.hash='pdq' needs the package pdqhash: pip install pdqhash, or take 'difference'"
                ) from None

    def survey(self, items: Sequence[Item]) -> Any:
        """Hashes every image that can be read: [number, group, hash]."""
        hashed = [(item.number, group_of(item, self.config["group"]), self._hashed(item)) for item in items]
        return [(number, group, value) for number, group, (value, _) in hashed if value]

    def settle(self, surveys: Iterator[Any]) -> Any:
        """Finds, group by group, which images stay; of the others the distance to the nearest that does."""
        gathered = Gathered.of(surveys)
        hashes = _words(gathered.values)
        near = settled(gathered, lambda rows: near_before(hashes[rows], self.config["distance"]))
        return {"distance": packed(near.distance), "nearest": packed(near.place)}

    def begin(self, plan: Any) -> None:
        """Takes what was found."""
        self._distance, self._nearest = unpacked(plan["distance"]), unpacked(plan["nearest"])

    def __call__(self, item: Item) -> Decision:
        """Drops those that are near an earlier one."""
        distance, nearest = near_scores(item, self._distance, self._nearest)
        if distance is None:
            return Decision("no usable image", self._hashed(item)[1])
        if nearest < 0:
            return Decision()
        scores = {"distance": int(distance), "nearest": nearest}
        return Decision("near-duplicate", f"{distance} bits from row {nearest} of scores.parquet", scores)

    def _hashed(self, item: Item) -> tuple[str, str]:
        """The hash in hexadecimal, '' where there is none, and why."""
        try:
            return HASHES[self.config["hash"]](decode_image(item.record.image or b"")).hex(), ""
        except BadRecord as bad:
            return "", str(bad)


def _words(hashes: Sequence[str]) -> UInt64[np.ndarray, "n words"]:
    if not hashes:
        return np.zeros((0, 1), np.uint64)
    whole = np.frombuffer(bytes.fromhex("".join(hashes)), ">u8")
    return whole.reshape(len(hashes), -1).astype(np.uint64)
