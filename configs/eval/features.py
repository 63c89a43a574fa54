"""Probes on frozen embeddings: trained on the bundled training pairs, measured on val and test.

python main.py --job=evaluate --checkpoint=runs/quickstart --config=configs/eval/features.py

The same without a model, on embeddings that are kept:

python main.py --job=embed --checkpoint=runs/quickstart --config=configs/eval/features.py --output=runs/embedded
python main.py --job=evaluate --source=runs/embedded --config=configs/eval/features.py
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import base
from configs.common import quickstart_source

METHODS = [
    {
        "paper": "CNN Features off-the-shelf: an Astounding Baseline for Recognition",
        "arxiv": "1403.6382",
        "family": "evaluation",
        "check": "tests/evaluation/test_feature_suite.py::"
        "test_the_suite_gives_a_figure_for_every_part_and_outcomes_whose_means_they_are",
    },
]


def get_config() -> ConfigDict:
    config = base.get_config()
    config.name = "features"
    with config.unlocked():
        config.data.evaluation = {name: quickstart_source(name) for name in ("train", "val", "test")}
    config.evaluators.features.update(final=True, sets=("val", "test"), train_sets=("train",))
    config.evaluators.clusters.update(final=True, sets=("val", "test"))
    config.evaluators.geometry.update(final=True, sets=("val", "test"))
    config.embed.feature = "both"
    return config
