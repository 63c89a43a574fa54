"""Regions of images in a file of their own, by id: what a person, a detector or a dense captioner saw, and where.

A line of `regions.jsonl` is {"id", "box", "text"}: the box as [left, top, right, bottom] in [0, 1]; `label`, `tags` and
`score` may say more. Lines of one id add up.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from input_pipeline.records import Record, Region, clean_text
from input_pipeline.texts_by_id import LinesById, WithTexts


class RegionsById(LinesById):
    """The regions of `regions.jsonl`."""

    def of(self, identifier: str) -> tuple[list[tuple[tuple[float, ...], str, float]], int]:
        """Returns (box, text, score) of each region of an image, and how many have no box in [0, 1] or no text."""
        good, bad = [], 0
        for line in self[identifier]:
            box, text = line.get("box"), clean_text(str(line.get("text") or ""))
            score = line.get("score", 1.0)
            if text and isinstance(score, int | float) and isinstance(box, list) and is_box(box):
                good.append((tuple(map(float, box)), text, float(score)))
            else:
                bad += 1
        return good, bad

    def regions(self, identifier: str) -> tuple[Region, ...]:
        """Returns the regions of an image in the order of its lines; those without a box in [0, 1] are left out."""
        return tuple(
            Region(_box(line["box"]), *_said(line))
            for line in self[identifier]
            if isinstance(line.get("box"), list) and is_box(line["box"])
        )


class WithRegions(WithTexts):
    """A source whose records have these regions behind their own."""

    setting = "regions_by_id"

    def __init__(self, source: Any, path: str) -> None:
        """Opens the file; whether it belongs to the source is asked before the first step (`first_look`)."""
        self.source = source
        self.texts = RegionsById(path)

    def __getitem__(self, index: int) -> Record:
        record: Record = self.source[index]
        return dataclasses.replace(record, regions=record.regions + self.texts.regions(record.id))


def is_box(box: Sequence[Any]) -> bool:
    """Tells whether four values are left, top, right and bottom of a box in [0, 1]."""
    if len(box) != 4 or not all(isinstance(one, int | float) for one in box):
        return False
    return 0 <= box[0] < box[2] <= 1 and 0 <= box[1] < box[3] <= 1


def _box(box: Sequence[float]) -> tuple[float, float, float, float]:
    left, top, right, bottom = map(float, box)
    return left, top, right, bottom


def _said(line: dict[str, Any]) -> tuple[str, str, tuple[str, ...]]:
    tags = line.get("tags")
    named = tuple(map(str, tags)) if isinstance(tags, list) else ()
    return clean_text(str(line.get("text") or "")), str(line.get("label") or ""), named
