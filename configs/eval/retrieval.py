"""Captions for images and images for captions, with translations: the standard protocol.

python main.py --job=evaluate --checkpoint=runs/quickstart --config=configs/eval/retrieval.py
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import base

METHODS = [
    {
        "paper": "Where Does the Performance Improvement Come "
        "From? A Reproducibility Concern about Image-Text Retrieval",
        "arxiv": "2203.03853",
        "family": "evaluation",
        "check": "tests/evaluation/test_retrieval.py::test_figures_are_those_of_sorting_everything",
    },
]


def get_config() -> ConfigDict:
    config = base.get_config()
    config.name = "retrieval"
    config.evaluators.retrieval.update(final=True, sets=("val_vendor", "test"), languages=("*",))
    return config
