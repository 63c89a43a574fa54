"""A caption with a sentence for each region that it does not mention: Image Textualization."""

from __future__ import annotations

from typing import Any

from configs.settings.setting import Setting, count

CLASS = "input_pipeline.curation.add_regions:AddRegions"

SETTINGS = {
    "regions": Setting("regions.jsonl", "of {id, box: [x0, y0, x1, y1] in [0, 1], text} and perhaps a score"),
    "kinds": Setting((), "of captions of which the first is enriched; () = all"),
    "most": count(3, "regions that are added, the best scores first"),
    "least_score": Setting(0.0, "of a region; one without a score has 1"),
    "template": Setting("{size} {text} {place}", "of the sentence about a region"),
    "kind_written": Setting("regions", "of the captions that are written"),
}


def check(entry: Any, config: Any, where: str) -> None:
    """Checks that a region's text is shown."""
    if "{text}" not in entry.template:
        raise ValueError(f"{where}.template={entry.template!r} has no {{text}}")
