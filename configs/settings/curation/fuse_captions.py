"""A caption with what it does not mention, by a template or as a file has it: FuseCap."""

from __future__ import annotations

from typing import Any

from configs.settings.setting import Setting, count

CLASS = "input_pipeline.curation.fuse_captions:FuseCaptions"

SETTINGS = {
    "kinds": Setting((), "of captions of which the first is enriched; () = all"),
    "of": Setting("tags", "what was seen: tags, label, group, or one of columns.extras"),
    "most": count(3, "of what was seen that a template adds"),
    "template": Setting("{caption}, with {added}", "of what is written where the file has nothing"),
    "file": Setting("", "texts.jsonl of fused captions; one that loses a word is not taken; '' = none"),
    "kind_written": Setting("fused", "of the captions that are written"),
}


def check(entry: Any, config: Any, where: str) -> None:
    """Checks that the template keeps the caption and shows what is added."""
    for part in ("{caption}", "{added}"):
        if part not in entry.template:
            raise ValueError(f"{where}.template={entry.template!r} has no {part}")
