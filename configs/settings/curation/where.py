"""Records by their licence, tags, label or a score: PASS's choice of pictures."""

from __future__ import annotations

from typing import Any

from configs.settings.setting import Setting

CLASS = "input_pipeline.curation.where:Where"

SETTINGS = {
    "of": Setting("tags", "tags, label, group, id, source, or one of columns.extras"),
    "any_of": Setting((), "values of which a record needs one; () = any"),
    "none_of": Setting((), "values that a record must not have"),
    "within": Setting((), "(lowest, highest) number; () = any"),
}


def check(entry: Any, config: Any, where: str) -> None:
    """Checks that a range has two ends."""
    span = entry.within
    if span and not (len(span) == 2 and span[0] <= span[1]):
        raise ValueError(f"{where}.within={span} must be two numbers, (lowest, highest), or ()")
