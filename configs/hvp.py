"""Heuristic multi-task pretraining (Qian, 2023, arXiv 2310.07510): tags, masked images and a contrast of views.

    python main.py --config=configs/hvp.py:model=vit_b16,resolution=224
    python main.py --config=configs/hvp.py:runlocal

A linear classifier of many labels, the pixels of hidden patches, and SimCLR's two views, added up by three weights;
each is left out by weight 0. Published: the three tasks, and a Swin-B. Not verified: the weights (all 1 here), the
share of hidden patches (SimMIM's 0.6), and everything that the optimiser is told.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import slip
from configs.common import evaluate_images
from configs.tagging import LABELS

METHODS = [
    {
        "paper": "Heuristic Vision Pre-Training with Self-Supervised and Supervised Multi-Task Learning",
        "arxiv": "2310.07510",
        "family": "hybrid",
        "check": "tests/objectives/test_meshes.py::test_with_weight_zero_nothing_of_it_is_built_or_read",
    },
    {
        "paper": "SimMIM: A Simple Framework for Masked Image Modeling",
        "arxiv": "2111.09886",
        "family": "masked modelling",
        "flags": "--config.objectives.classification.weight=0 --config.objectives.view_contrast.weight=0 "
        "--config.objectives.masked_pixels.error=absolute --config.objectives.masked_pixels.normalise=False",
        "check": "tests/golden/test_golden_vectors.py::test_golden_file",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    config = slip.get_config(argument)
    config.name = config.name.replace("slip", "hvp")
    config.data.labels = {"tags": {"path": LABELS, "of": "tags"}}
    config.objectives.contrastive.weight = 0.0
    config.objectives.classification.update(
        weight=1.0, labels="tags", classes=210, kernel="asymmetric_sigmoid", bias=-3.0
    )
    config.objectives.masked_pixels.weight = 1.0
    evaluate_images(config, every=config.evaluators.retrieval.every)
    return config
