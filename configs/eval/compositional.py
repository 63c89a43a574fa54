"""Captions against foils: of the bundled data those that differ in one word, or SugarCrepe's and Winoground's files.

python main.py --job=evaluate --checkpoint=runs/quickstart --config=configs/eval/compositional.py
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import base

METHODS = [
    {
        "paper": "SugarCrepe: Fixing Hackable Benchmarks for Vision-Language Compositionality",
        "arxiv": "2306.14610",
        "family": "evaluation",
        "check": "tests/evaluation/test_compositional.py::test_sugarcrepe_is_accuracy_by_kind",
    },
    {
        "paper": "Winoground: Probing Vision and Language Models for Visio-Linguistic Compositionality",
        "arxiv": "2204.03162",
        "family": "evaluation",
        "check": "tests/evaluation/test_compositional.py::"
        "test_winoground_asks_for_both_of_a_pair_and_for_all_four",
    },
]


def get_config() -> ConfigDict:
    config = base.get_config()
    config.name = "compositional"
    config.evaluators.compositional.update(final=True, sets=("val_vendor", "test"))
    return config
