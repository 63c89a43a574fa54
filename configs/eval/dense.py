"""Score maps of patches and class names on 2 x 2 collages: pointing, patch accuracy and mean IoU.

python main.py --job=evaluate --checkpoint=runs/quickstart --config=configs/eval/dense.py
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import base

METHODS = [
    {
        "paper": "MaskCLIP: Extract Free Dense Labels from CLIP",
        "arxiv": "2112.01071",
        "family": "evaluation",
        "check": "tests/evaluation/test_dense.py::"
        "test_a_model_that_sees_every_patch_right_has_every_figure_right",
    },
]


def get_config() -> ConfigDict:
    config = base.get_config()
    config.name = "dense"
    config.evaluators.dense.update(final=True, sets=("val_vendor", "val", "test"), templates="quickstart")
    return config
