"""FuseCap (Rotstein et al., 2023, arXiv 2305.17718): captions with what they do not mention of what is seen.

    python main.py --job=curate --config=configs/curate/fusecap.py --output=runs/curated/fusecap
    python main.py --config=configs/clip.py:runlocal --config.data.text.kinds="fused=1" \
        --config.data.sources.quickstart.captions_by_id=runs/curated/fusecap/texts.jsonl

What is seen are tags, and a template fuses them. Captions that a language model fused are a file of {id, texts, kind,
by, prompt}: `--config.curation.fuse_captions.file=fused.jsonl`; those that lose a word of the caption are not taken.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import base

METHODS = [
    {
        "paper": "FuseCap: Leveraging Large Language Models for Enriched Fused Image Captions",
        "arxiv": "2305.17718",
        "family": "data",
        "flags": "--output=runs/methods/fusecap",
        "check": "tests/input_pipeline/test_curation_fuse_captions.py::"
        "test_every_content_word_survives_and_something_is_new",
    },
]


def get_config() -> ConfigDict:
    config = base.get_config()
    config.name = "fusecap"
    config.curate.steps = ("fuse_captions",)
    config.curation.fuse_captions.kinds = ("title", "unicode-name", "sentence", "description")
    return config
