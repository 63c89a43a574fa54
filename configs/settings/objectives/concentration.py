"""Specialists, each of its own classes, in one student with a block-diagonal head: Knowledge Concentration."""

from __future__ import annotations

from typing import Any

from configs.settings.setting import Setting, count

CLASS = "vlp.objectives.concentration:Concentration"

SETTINGS = {
    "verticals": Setting(
        "verticals", "an entry of data.labels: of which vertical an image is, as of='branch' says"
    ),
    "sizes": Setting((), "classes of each vertical, in the order of the verticals"),
    "teachers": Setting((), "entries of `frozen` in that order, where probabilities are not stored"),
    "part": Setting("classification/classifier", "of each, one of its `parts`: gives logits of embeddings"),
    "stored": Setting("", "an entry of data.tables: probabilities of all classes; '' = teachers run"),
    "top": count(100, "of a specialist's classes, the likeliest, that are learned"),
    "width": count(64, "dimensions of each vertical before its block"),
    "image_view": Setting("image", "batch field of images"),
}


def check(entry: Any, config: Any, where: str) -> None:
    """Checks that every vertical has classes and somebody who knows them."""
    if not entry.weight:
        return
    if not entry.sizes or min(entry.sizes) < 1:
        raise ValueError(
            f"{where}.sizes={entry.sizes} must say how many classes each vertical has, as (12, 30)"
        )
    if not entry.stored and len(entry.teachers) != len(entry.sizes):
        raise ValueError(
            f"{where}.teachers={entry.teachers} must be one a vertical, of which sizes={entry.sizes} has "
            f"{len(entry.sizes)}; or name stored probabilities"
        )
