"""The nearest class mean of frozen features, learned from the bundled training images, class by class.

python main.py --job=evaluate --checkpoint=runs/quickstart --config=configs/eval/class_means.py
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import base
from configs.common import quickstart_source


def get_config() -> ConfigDict:
    config = base.get_config()
    config.name = "class_means"
    with config.unlocked():
        config.data.evaluation.train = quickstart_source("train")
    config.evaluators.class_means.update(final=True, sets=("val_vendor", "val", "test"), learned="train")
    return config
