"""Descriptions of a record's own class that are nearest to its image: GIST."""

from __future__ import annotations

from configs.settings.setting import Setting, count

CLASS = "vlp.curation.match_captions:MatchCaptions"

SETTINGS = {
    "embeddings": Setting("", "folder of --job=embed; '' = curate.embeddings"),
    "descriptions": Setting(
        "runs/descriptions.json", "JSON of sentences by label, as --job=describe writes it"
    ),
    "labels": Setting("category", "rule from labels to names, as in evaluators.zero_shot"),
    "top": count(5, "descriptions of a record that are written"),
    "choice": Setting("nearest", "random is what the paper compares with", choices=("nearest", "random")),
    "template": Setting("{name}: {caption}", "of what is written"),
    "kind_written": Setting("gist", "of the captions that are written"),
}
