"""ALIGN's filter (Jia et al., 2021, arXiv 2102.05918, section 3): few rules for noisy alt-texts and their images.

    python main.py --job=curate --config=configs/curate/align.py --output=runs/curated/align

The paper's are the defaults: at most 10 images a text, 3 to 20 words, 100 million frequent unigrams and bigrams, sides
over 200 pixels, an aspect below 3. The bundled pictures have 64 pixels, and keywords for alt-texts.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import base

METHODS = [
    {
        "paper": "ALIGN's filter of noisy alt-texts",
        "arxiv": "2102.05918",
        "family": "data",
        "flags": "--output=runs/methods/align_filter",
        "check": "tests/input_pipeline/test_curation_steps.py::"
        "test_each_violation_is_dropped_under_its_reason_and_the_rest_stays",
    },
]


def get_config() -> ConfigDict:
    config = base.get_config()
    config.name = "align_filter"
    config.curate.steps = ("alt_text",)
    config.curation.alt_text.update(kinds=("keywords",), side_above=24, frequent=19_000)
    return config
