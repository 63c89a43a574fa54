"""The bundled pictures once by their captions and once by their labels."""

from benchmarks.claims import Step, train
from benchmarks.claims._claim import COLUMNS

PREFIX_TOKENS = "--config.tokenizer.prefix_tokens=caption,label"


def mixture(*, targets: str, prefixes: bool = False) -> Step:
    """Returns a run on both sources; a captioned pair has no label, and is a class of its own but for equal texts."""
    common = {"format": "parquet", "path": "data/quickstart/train.parquet"}
    by_caption, by_label = {**COLUMNS, "label": ""}, {**COLUMNS, "captions": "", "translations": ""}
    sources = {
        "captions": {**common, "columns": by_caption, "prefix_token": "caption" if prefixes else ""},
        "labels": {
            **common,
            "columns": by_label,
            "templates": ("a picture of a {}", "clip art of a {}"),
            "prefix_token": "label" if prefixes else "",
        },
    }
    flags = (f"--config.data.sources={sources!r}", f"--config.objectives.contrastive.targets={targets}")
    return train(*flags, *((PREFIX_TOKENS, "--config.data.single_source_batches=true") if prefixes else ()))
