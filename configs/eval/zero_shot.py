"""Zero-shot classification of the bundled sets by the names of their categories.

python main.py --job=evaluate --checkpoint=runs/quickstart --config=configs/eval/zero_shot.py
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import base

METHODS = [
    {
        "paper": "Loki: Geometry-Aware Adaptation for Pretrained Models",
        "arxiv": "2307.12226",
        "family": "evaluation",
        "flags": "--config.evaluators.zero_shot.rule=frechet",
        "check": "tests/evaluation/test_zero_shot.py::test_answers_along_the_metric_lie_nearer_on_average",
    },
]


def get_config() -> ConfigDict:
    config = base.get_config()
    config.name = "zero_shot"
    config.evaluators.zero_shot.update(
        final=True, sets=("val_vendor", "val", "test"), templates="quickstart", metric="paths"
    )
    return config
