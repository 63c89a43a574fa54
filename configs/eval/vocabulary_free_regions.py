"""Names for the places of collages (Dense CaSED, arXiv 2404.10864), out of the bundled training captions.

python main.py --job=evaluate --checkpoint=runs/quickstart --config=configs/eval/vocabulary_free_regions.py
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import base

METHODS = [
    {
        "paper": "Dense CaSED: Vocabulary-free Image Classification and Semantic Segmentation",
        "arxiv": "2404.10864",
        "family": "evaluation",
        "check": "tests/evaluation/test_vocabulary_free.py::test_regions_of_collages_are_named_by_their_crops",
    },
]


def get_config() -> ConfigDict:
    config = base.get_config()
    config.name = "vocabulary_free_regions"
    config.evaluators.vocabulary_free_regions.update(
        final=True, sets=("val_vendor", "val", "test"), captions="data/quickstart/train.parquet"
    )
    return config
