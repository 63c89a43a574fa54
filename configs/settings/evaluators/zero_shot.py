"""Zero-shot classification: the nearest class, as its name or its descriptions have it, is the answer."""

from __future__ import annotations

from configs.settings.evaluators import LABELS, PREFIX_TOKEN, SCORER
from configs.settings.setting import Setting, count, share

CLASS = "vlp.evaluation.classification.zero_shot:ZeroShot"

SETTINGS = {
    "templates": Setting("simple", "a prompt set; '' = descriptions alone"),
    "labels": LABELS,
    "prefix_token": PREFIX_TOKEN,
    "scorer": SCORER,
    "descriptions": Setting("", "JSON of sentences by class, as --job=describe writes it; '' = none"),
    "pooling": Setting("embedding", "of a class's texts", choices=("embedding", "score", "probability")),
    "rule": Setting(
        "argmax",
        "what is answered: the best, or the candidate nearest to all by `metric`",
        choices=("argmax", "frechet"),
    ),
    "metric": Setting("", "between labels: 'paths' of categories, 'names', or a file of edges; '' = none"),
    "captions": Setting(
        "", "parquet, jsonl or txt files; the nearest have a say in the posterior; '' = none"
    ),
    "column": Setting("captions", "of parquet, or key of JSON lines"),
    "nearest": count(10, "captions of an image"),
    "alpha": share(0.7, "share of the image in the posterior; the rest is its captions'"),
}
