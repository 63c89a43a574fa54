"""MetaCLIP 2 (Chuang et al., 2025, arXiv 2507.22062): entries and a t for each language, with the tail of English.

    python main.py --job=curate --config=configs/curate/metaclip2.py --output=runs/curated/metaclip2

The paper has entries of 329 languages, from their WordNets and Wikipedias, and t = 170,000 for English: yours are a
folder of LANGUAGE.txt with other.txt for all the rest, `--config.curation.match.entries=FOLDER`. A text's language is
the paper's own detector's; here it is what the source says of its captions. Without a folder, the entries of a language
are words and pairs of words of its captions.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs.curate import metaclip

METHODS = [
    {
        "paper": "MetaCLIP 2: A Worldwide Scaling Recipe",
        "arxiv": "2507.22062",
        "family": "data",
        "flags": "--output=runs/methods/metaclip2",
        "check": "tests/input_pipeline/test_curation_metaclip.py::"
        "test_each_language_has_its_entries_and_the_tail_of_the_reference",
    },
]


def get_config() -> ConfigDict:
    config = metaclip.get_config()
    config.name = "metaclip2"
    config.curation.match.update(language="caption", spacing="scripts")
    config.curation.balance.reference = "en"
    return config
