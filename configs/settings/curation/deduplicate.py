"""One of images that look alike by their hash, in each group: Less is More."""

from __future__ import annotations

from typing import Any

from configs.settings.setting import Setting

CLASS = "input_pipeline.curation.deduplicate:Deduplicate"

_BITS = {"difference": 64, "pdq": 256}

SETTINGS = {
    "group": Setting("", "compared within it: group, label, source or one of columns.extras; '' = all"),
    "hash": Setting(
        "difference",
        "of 64 bits, or PDQ's of 256, which needs the package pdqhash",
        choices=tuple(_BITS),
    ),
    "distance": Setting(6, "bits in which near-duplicates differ at most; of PDQ's, 31 is usual", at_least=0),
}


def check(entry: Any, config: Any, where: str) -> None:
    """Checks that hashes can differ in more bits."""
    if entry.distance >= _BITS[entry.hash]:
        raise ValueError(
            f"{where}.distance={entry.distance} must be below the {_BITS[entry.hash]} bits of hash='{entry.hash}'"
        )
