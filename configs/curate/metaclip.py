"""MetaCLIP (Xu et al., 2023, arXiv 2309.16671): texts that contain entries, and no entry more often than t, about.

    python main.py --job=curate --config=configs/curate/metaclip.py --output=runs/curated/metaclip

The paper has 500,000 entries from WordNet and Wikipedia and t = 20,000 for 400 million pairs: yours are
`--config.curation.match.entries=FILE`. Here the entries are words and pairs of words of the bundled captions, and t
fits their number.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import base

METHODS = [
    {
        "paper": "MetaCLIP: Demystifying CLIP Data",
        "arxiv": "2309.16671",
        "family": "data",
        "flags": "--output=runs/methods/metaclip",
        "check": "tests/input_pipeline/test_curation_metaclip.py::"
        "test_an_entry_keeps_as_many_texts_as_it_has_or_t",
    },
]


def get_config() -> ConfigDict:
    config = base.get_config()
    config.name = "metaclip"
    config.curate.steps = ("match", "balance")
    config.curation.match.update(least=5, information=3.0)
    config.curation.balance.t = 5
    return config
