"""The evaluators: a file a kind."""

from __future__ import annotations

from typing import Any

from configs.settings.setting import Setting, count, natural, positive, share

COMMON = {
    "every": natural(0, "period in steps; 0 = never during training"),
    "final": Setting(False, "once after the last step"),
    "sets": Setting(("val_vendor",), "names in data.evaluation"),
}
PREFIX_TOKEN = Setting("", "one of tokenizer.prefix_tokens, before every text")
SCORER = Setting("", "part of the model that scores images against texts; '' = cosines")
LABELS = Setting("category", "rule from labels to class names")


def templates(default: str) -> Setting:
    """Returns the prompt set that names are written into."""
    return Setting(default, "a prompt set of vlp/evaluation/texts/prompts")


CATEGORY_SEARCH: dict[str, Any] = {
    "captions": Setting("", "parquet, jsonl or txt files that names are searched in"),
    "column": Setting("captions", "of parquet, or key of JSON lines"),
    "nearest": count(10, "captions an image is named from"),
    "alpha": share(0.7, "share of the image in a name's score; the rest is its captions'"),
    "scale": positive(1 / 0.07, "of cosines in both softmaxes"),
    "templates": templates("plain"),
    "labels": LABELS,
    "judge": Setting(
        "", "checkpoint whose text tower compares names by meaning; '' = the evaluated model's own"
    ),
}
