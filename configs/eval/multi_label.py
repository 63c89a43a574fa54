"""Zero-shot tagging: mAP, variable top-k, ReaL accuracy and F1 over the bundled sets' tags.

python main.py --job=evaluate --checkpoint=runs/quickstart --config=configs/eval/multi_label.py
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import base

METHODS = [
    {
        "paper": "Re-assessing ImageNet: How aligned is its "
        "single-label assumption with its multi-label nature?",
        "arxiv": "2412.18409",
        "family": "evaluation",
        "check": "tests/evaluation/test_multi_label.py::test_the_k_best_of_an_image_with_k_labels_by_sorting",
    },
    {
        "paper": "ReaL: Are we done with ImageNet?",
        "arxiv": "2006.07159",
        "family": "evaluation",
        "check": "tests/evaluation/test_multi_label.py::test_the_evaluator_scores_tags_by_name",
    },
]


def get_config() -> ConfigDict:
    config = base.get_config()
    config.name = "multi_label"
    config.evaluators.multi_label.update(
        final=True, sets=("val_vendor", "val", "test"), templates="quickstart"
    )
    return config
