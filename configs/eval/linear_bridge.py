"""LiMBeR (Merullo et al., 2023, arXiv 2209.15162) without a language model: what one linear map makes of images.

python main.py --job=evaluate --checkpoint=runs/quickstart --config=configs/eval/linear_bridge.py

For several image towers in the same text space, `--config.evaluators.linear_bridge.texts=CLIP`: the paper finds the
more language in a tower's training, the better the map. With `features=patches` it maps the mean of an image's patches
and not its embedding.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import base
from configs.common import quickstart_source

METHODS = [
    {
        "paper": "LiMBeR: Linearly Mapping from Image to Text Space (its linear map, as an evaluation)",
        "arxiv": "2209.15162",
        "family": "evaluation",
        "check": "tests/evaluation/test_linear_bridge.py::"
        "test_the_map_is_the_ridge_regression_and_nothing_else_is_fitted",
    },
]


def get_config() -> ConfigDict:
    config = base.get_config()
    config.name = "linear_bridge"
    config.data.evaluation = {**config.data.evaluation.to_dict(), "train": quickstart_source("train")}
    config.evaluators.linear_bridge.update(final=True, sets=("val_vendor", "test"))
    return config
