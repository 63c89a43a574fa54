"""Vocabulary-free classification (CaSED, arXiv 2306.00917) out of the bundled training captions.

python main.py --job=evaluate --checkpoint=runs/quickstart --config=configs/eval/vocabulary_free.py
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import base

METHODS = [
    {
        "paper": "CaSED: Vocabulary-free Image Classification",
        "arxiv": "2306.00917",
        "family": "evaluation",
        "check": "tests/evaluation/test_vocabulary_free.py::"
        "test_scores_mix_the_image_s_posterior_with_that_of_its_captions",
    },
]


def get_config() -> ConfigDict:
    config = base.get_config()
    config.name = "vocabulary_free"
    config.evaluators.vocabulary_free.update(
        final=True, sets=("val_vendor", "val", "test"), captions="data/quickstart/train.parquet"
    )
    return config
