"""The nearest class mean of frozen features, learned from the bundled training images, class by class.

python main.py --job=evaluate --checkpoint=runs/quickstart --config=configs/eval/class_means.py
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import base
from configs.common import quickstart_source

METHODS = [
    {
        "paper": "A Simple Baseline that Questions the Use of Pretrained-Models in Continual Learning",
        "arxiv": "2210.04428",
        "family": "evaluation",
        "check": "tests/evaluation/test_class_means.py::test_streaming_means_are_those_of_all_rows_at_once",
    },
]


def get_config() -> ConfigDict:
    config = base.get_config()
    config.name = "class_means"
    with config.unlocked():
        config.data.evaluation.train = quickstart_source("train")
    config.evaluators.class_means.update(final=True, sets=("val_vendor", "val", "test"), learned="train")
    return config
