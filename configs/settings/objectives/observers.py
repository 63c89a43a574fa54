"""Labels of several observers."""

from __future__ import annotations

from typing import Any

from configs.settings.setting import Setting, positive

CLASS = "vlp.objectives.observers:Observers"

SETTINGS = {
    "observers": Setting(("tags",), "entries of data.labels, of the same labels: one an observer"),
    "rule": Setting(
        "mixed",
        "whose word counts: one at random, the majority's, or either",
        choices=("random", "majority", "mixed"),
    ),
    "texts": Setting("tags", "an entry of data.texts, of the same labels"),
    "image_view": Setting("image", "batch field of images"),
    "scale": positive(10.0, "of cosines, at first"),
    "bias": Setting(-4.0, "added to them, at first"),
}


def check(entry: Any, config: Any, where: str) -> None:
    """Checks that there is an observer."""
    del config
    if entry.weight and not entry.observers:
        raise ValueError(f"{where}.observers=() must name one or more of data.labels")
