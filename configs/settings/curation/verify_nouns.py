"""Captions without the things that an image does not show: Image Textualization."""

from __future__ import annotations

from typing import Any

from configs.settings.setting import Setting

CLASS = "vlp.curation.verify_nouns:VerifyNouns"

SETTINGS = {
    "embeddings": Setting("", "folder of --job=embed; '' = curate.embeddings"),
    "nouns": Setting(
        "runs/tags.json", "names of things, as --job=labels writes them, or text with one a line"
    ),
    "kinds": Setting((), "of captions that are read; () = all"),
    "template": Setting("a photo of {}", "in which a noun is compared with the image"),
    "threshold": Setting(0.2, "lowest cosine of a noun that stays", at_least=-1, at_most=1),
    "regions": Setting("", "regions.jsonl, whose texts support what they mention; '' = none"),
    "kind_written": Setting("verified", "of the captions that are written"),
}


def check(entry: Any, config: Any, where: str) -> None:
    """Checks that the template has a place for a noun."""
    if "{}" not in entry.template:
        raise ValueError(f"{where}.template={entry.template!r} has no {{}} for the noun")
