"""Retrieval of images by captions and of captions by images."""

from __future__ import annotations

from typing import Any

from configs.settings.evaluators import PREFIX_TOKEN
from configs.settings.setting import Setting, count

CLASS = "vlp.evaluation.retrieval.captions:Retrieval"

SETTINGS = {
    "sets": ("val",),
    "k": Setting((1, 5, 10), "ranks up to which a hit counts"),
    "prefix_token": PREFIX_TOKEN,
    "folds": count(
        1, "also the mean over that many parts of consecutive images (COCO's 1K is 5); 1 = only the whole"
    ),
    "languages": Setting(
        (), "also in each of these, with the gap to English: ('de', 'fr'); '*' = all there are"
    ),
}


def check(entry: Any, config: Any, where: str) -> None:
    """Ranks are whole numbers from 1 on."""
    if not entry.k or min(entry.k) < 1:
        raise ValueError(f"{where}.k={entry.k} must be whole numbers of at least 1, such as (1, 5, 10)")
